"""How fast and how large a file is on this machine: latency, load time, cold start, memory, time by operation."""
