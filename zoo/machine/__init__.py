"""What Linux shows of the machine: cores, memory and its limits, temperatures, processes."""
