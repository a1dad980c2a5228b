"""Finds the folder of the cache, and names places for files that others get."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path


def home() -> Path:
    """Returns the user's home folder: `HOME`, or what the system knows, or `/nonexistent` if there is none.

    The user of a container may be a number without a name and a home; nothing is kept then. The name is Debian's.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def base_name(place: str | Path) -> str:
    """Returns the name of a file or folder without its folders, for files that are given to others.

    Both kinds of slash separate names, on any operating system.
    """
    return re.split(r"[/\\]", str(place).rstrip("/\\"))[-1]


def without_folders(places: Sequence[str]) -> list[str]:
    """Returns paths for a document that is given to others: absolute paths lose the folders that they share.

    A single path, and paths in one folder, become names; paths in several folders keep the part that differs.
    Relative paths stay as they are.
    """
    absolute = {place for place in places if Path(place).is_absolute()}
    if not absolute:
        return list(places)
    shared = os.path.commonpath([Path(place).parent for place in absolute])
    return [os.path.relpath(place, shared) if place in absolute else place for place in places]


def cache_home() -> Path:
    """Returns the folder of the cache, in `XDG_CACHE_HOME` or in `~/.cache`.

    A relative path in the variable is ignored, as the XDG Base Directory Specification says.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else home() / ".cache") / "edgezoo"
