"""Reads the small text files that Linux shows in `/proc` and `/sys`; any of them may be missing.

Nothing is guessed: facts that the system does not show are None or empty. All functions take the root folder or a path
below it, so that a copy of another machine's files can be read, too.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def text(path: Path) -> str | None:
    """Returns a small file's text without the NULs of the device tree; None if it is empty or cannot be read."""
    try:
        content = path.read_bytes().decode(errors="replace")
    except OSError:  # also the answer of a sensor that is switched off
        return None
    return content.strip("\0 \t\r\n") or None


def number(path: Path, base: int = 10) -> int | None:
    """Returns the integer in a small file; None if the file holds anything else."""
    try:
        return int(text(path) or "", base)
    except ValueError:
        return None


def kilobytes(path: Path, field: str) -> int | None:
    """Returns a number of bytes from a line `field: 123 kB` of `proc/meminfo` or `proc/self/status`."""
    found = re.search(rf"^{field}:\s+(\d+) kB", text(path) or "", re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def resident_pages(root: Path = ROOT) -> tuple[int, int] | None:
    """Returns the memory pages that this process holds, and how many of them it shares with other processes."""
    fields = (text(root / "proc/self/statm") or "").split()
    try:
        return int(fields[1]), int(fields[2])
    except (IndexError, ValueError):
        return None


def group_folders(controller: str, root: Path = ROOT) -> list[tuple[int, Path]]:
    """Returns version and folder of each control group that limits this process, from its own group up to the top one.

    A container may see its own group as the top one, or it may see the host's path, which does not exist inside the
    container. So every folder on the path is returned, and some of them do not exist.

    Args:
        controller: `cpu` or `memory`.
        root: the folder that holds `proc` and `sys`.
    """
    mounts = root / "sys/fs/cgroup"
    found: dict[tuple[int, Path], None] = {}
    # The top groups are always included, because a container may see no others.
    for line in ["0::/", f"1:{controller}:/", *(text(root / "proc/self/cgroup") or "").splitlines()]:
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        version, top = (1, mounts / controller) if controllers else (2, mounts)
        path = PurePosixPath(group)
        found |= {(version, top / str(folder).lstrip("/")): None for folder in (path, *path.parents)}
    return list(found)
