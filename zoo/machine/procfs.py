"""What Linux shows of itself in `/proc` and `/sys`: small text files, of which any may be missing.

Nothing is guessed: what the system does not show is None or empty. All functions take the root folder or a path below
it, so that a copy of another machine's files can be read as well.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def text(path: Path) -> str | None:
    """A small file's text, without the NULs of the device tree; None where it cannot be read or is empty."""
    try:
        content = path.read_bytes().decode(errors="replace")
    except OSError:  # also what a sensor that is switched off answers
        return None
    return content.strip("\0 \t\r\n") or None


def number(path: Path, base: int = 10) -> int | None:
    """A small file that holds one integer; None where it holds anything else."""
    try:
        return int(text(path) or "", base)
    except ValueError:
        return None


def kilobytes(path: Path, field: str) -> int | None:
    """Bytes, from a line `field: 123 kB` of `proc/meminfo` or `proc/self/status`."""
    found = re.search(rf"^{field}:\s+(\d+) kB", text(path) or "", re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def resident_pages(root: Path = ROOT) -> tuple[int, int] | None:
    """Pages of memory that this process holds, and those of them that it shares with others."""
    fields = (text(root / "proc/self/statm") or "").split()
    try:
        return int(fields[1]), int(fields[2])
    except (IndexError, ValueError):
        return None


def group_folders(controller: str, root: Path = ROOT) -> list[tuple[int, Path]]:
    """Version and folder of each control group that limits this process, those it stands in included.

    A container may see its own group as the top one, or the host's path to it, which then is not there: every folder
    on the way counts. Not all of them exist.

    Args:
        controller: `cpu` or `memory`.
        root: where `proc` and `sys` are looked for.
    """
    mounts = root / "sys/fs/cgroup"
    found: dict[tuple[int, Path], None] = {}
    # The top groups in any case: all that a container may see.
    for line in ["0::/", f"1:{controller}:/", *(text(root / "proc/self/cgroup") or "").splitlines()]:
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        version, top = (1, mounts / controller) if controllers else (2, mounts)
        path = PurePosixPath(group)
        found |= {(version, top / str(folder).lstrip("/")): None for folder in (path, *path.parents)}
    return list(found)
