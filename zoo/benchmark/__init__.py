"""Measures the speed and size of a file on this machine: latency, load time, cold start, memory, time by operation."""
