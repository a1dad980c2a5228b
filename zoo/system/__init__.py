"""Processes, signals, locks, archives: what the package asks of the operating system, and of other programs."""
