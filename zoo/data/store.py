"""Chooses where decoded examples are kept: in memory, or on disk if they are too large."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from zoo.errors import OptionError, OutputError
from zoo.files.places import cache_home
from zoo.files.writing import require_writable
from zoo.machine.memory import available

Array = npt.NDArray[Any]
Cache = Literal["auto", "memory", "disk", "none"]
CACHES: tuple[Cache, ...] = get_args(Cache)

MEMORY_SHARE = 0.5
"""Share of the available memory that examples may take; the rest is for the model and its gradients."""
DISK_SHARE = 0.9
"""Share of the free disk space that examples may take."""


@dataclass(frozen=True)
class Place:
    """The place where examples will be kept, and the reason."""

    kind: Literal["memory", "disk", "none"]
    size: int
    """Size of all examples in bytes."""
    why: str
    """Reason for the choice, in a few words for the user."""
    folder: Path | None = None

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> Array | None:
        """Allocates an array of `shape`; returns None if nothing is kept.

        The file on disk has no name, so that it disappears with the process, even if the process is killed.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if self.kind == "none":
            return None
        if self.kind == "memory" or self.size == 0:
            return np.empty(shape, dtype)
        assert self.folder is not None  # noqa: S101  # `choose_place` sets it for a disk
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(prefix="edgezoo-", dir=self.folder) as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
                return np.frombuffer(mmap.mmap(file.fileno(), self.size), dtype).reshape(shape)
        except OSError as error:
            raise OutputError(f"cannot keep pixels in {self.folder}: {error.strerror or error}") from error


def choose_place(size: int, cache: Cache = "auto", folder: Path | None = None) -> Place:
    """Chooses where `size` bytes are kept.

    Args:
        size: the size of all examples, in bytes.
        cache: `memory`, `disk`, `none`, or `auto`. With `auto` examples are kept in memory if half of the available
            memory holds them, otherwise on disk. If neither has room, every epoch decodes again, as with `none`.
        folder: the folder on disk; `~/.cache/edgezoo` by default.

    Raises:
        OptionError: `cache` is unknown.
        OutputError: `cache` is `disk`, and the disk cannot be written.
    """
    if cache not in CACHES:
        raise OptionError(f"cache={cache!r} is not one of {', '.join(CACHES)}")
    folder = folder or cache_home()  # `/tmp` may be memory itself
    memory = available()
    if cache == "none":
        return Place("none", size, "as asked for: every epoch decodes again")
    if cache == "memory" or (cache == "auto" and size <= MEMORY_SHARE * memory):
        return Place("memory", size, "as asked for" if cache == "memory" else f"{_gb(memory)} are available")
    if cache == "disk":
        require_writable(folder)
        return Place("disk", size, "as asked for", folder)
    free = _free(folder)
    if size <= DISK_SHARE * free:
        return Place("disk", size, f"more than half of the {_gb(memory)} of available memory", folder)
    return Place(
        "none",
        size,
        f"more than half of the {_gb(memory)} of available memory, and {folder} has {_gb(free)} free: every epoch "
        "decodes again",
    )


def _free(folder: Path) -> int:
    """Returns the free bytes on the disk of a folder, which may not exist yet; 0 if it cannot be written."""
    try:
        require_writable(folder)
        return shutil.disk_usage(next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())).free
    except (OSError, OutputError):
        return 0


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
