"""Finds the picture files that paths, folders and patterns name, one at a time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.errors import InputError, ZooError
from zoo.files import is_endless

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
"""Suffixes of files in a folder that count as pictures. A file that the user names is read whatever its suffix."""


def find_pictures(paths: Iterable[str | Path], suffixes: set[str] | None = None) -> Iterator[Path]:
    """Yields all pictures below folders, all matches of patterns such as `*.jpg`, and single files.

    Folders are walked in sorted order, with the names of one folder in memory at a time. Hidden files and folders,
    named pipes and devices are left out.

    Raises:
        InputError: a folder holds no picture, or a pattern matches nothing.
        ZooError: a folder cannot be read; it is raised after all other pictures.
    """
    suffixes = SUFFIXES if suffixes is None else suffixes
    for path in paths:
        text = str(path)
        found = False
        if os.path.isdir(text):  # noqa: PTH112  # called for each of possibly many names
            for picture in _walk(text, suffixes):
                found = True
                yield picture
            if not found:
                raise InputError(f"{path} holds no {_names(suffixes)}")
        elif glob.has_magic(text) and not os.path.lexists(text):
            for match in glob.iglob(text, recursive=True):  # noqa: PTH207  # any pattern, absolute ones too
                found = True
                yield Path(match)
            if not found:
                raise InputError(f"nothing matches {path}")
        else:
            yield Path(path)


def _walk(folder: str, suffixes: set[str]) -> Iterator[Path]:
    closed: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes:  # noqa: PTH122
                path = Path(root, name)
                if not _is_endless(path):
                    yield path
    if closed:
        raise ZooError(f"cannot read {closed[0].filename}: {closed[0].strerror}")


def _is_endless(path: Path) -> bool:
    try:
        return is_endless(path)
    except OSError:  # the reader reports what is wrong, for example a broken link
        return False


def _names(suffixes: set[str]) -> str:
    return "pictures" if suffixes == SUFFIXES else f"{' or '.join(sorted(suffixes))} files"
