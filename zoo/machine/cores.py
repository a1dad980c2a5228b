"""Counts the CPU cores that this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores() -> int:
    """Returns the number of logical cores that this process may use."""
    return len(_allowed())


def physical_cores(root: Path = Path("/")) -> int:
    """Returns the number of physical cores that this process may use: two hardware threads of one core count once.

    Args:
        root: the folder that holds `sys`; if the topology is not there, every logical core counts.
    """
    cores = set()
    for cpu in _allowed():
        try:
            cores.add((root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip())
        except OSError:
            cores.add(str(cpu))
    return len(cores)


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
