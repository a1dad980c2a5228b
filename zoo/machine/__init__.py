"""Reads what Linux shows about the machine: cores, memory and its limits, temperatures, processes."""
