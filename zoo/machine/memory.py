"""Measures the memory that this process may use: the machine's free memory, and the limits of its control groups."""

from __future__ import annotations

import os
import re
from pathlib import Path

from zoo.machine.procfs import ROOT, group_folders, kilobytes, number, text

_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""For each version of control groups: the files of the limit and of the use, and the part of the use in `memory.stat`
that the kernel can reclaim."""


NO_LIMIT = 2**60
"""Version 1 of control groups writes "no limit" as a number larger than any machine's memory."""


def limit(root: Path = ROOT) -> int | None:
    """Returns the bytes that the strictest control group of this process allows; None for no limit.

    JetPack 4 has version 1 of control groups.

    Args:
        root: the folder that holds `proc` and `sys`.
    """
    found = [number(folder / _FILES[version][0]) for version, folder in group_folders("memory", root)]
    limits = [value for value in found if value is not None]
    return min((value for value in limits if value < NO_LIMIT), default=None)


def available(root: Path = ROOT) -> int:
    """Returns the bytes that this process can use without swapping and within the limits of its control groups."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [kilobytes(root / "proc/meminfo", "MemAvailable") or total]
    for version, folder in group_folders("memory", root):
        limit_file, used_file, gives_way = _FILES[version]
        most, used = number(folder / limit_file), number(folder / used_file)
        if most is not None and used is not None:
            spare = re.search(rf"^{gives_way} (\d+)$", text(folder / "memory.stat") or "", re.MULTILINE)
            found.append(most - used + (int(spare[1]) if spare else 0))
    return max(0, min(found))
