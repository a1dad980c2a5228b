"""Finds the picture files that paths, folders and patterns name, one at a time, and counts what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from zoo.errors import InputError, ZooError
from zoo.files.reading import is_endless

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpx",
})  # fmt: skip
"""Suffixes of files in a folder that count as pictures. A file that the user names is read whatever its suffix."""

LOADED_BY_SUFFIX = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Suffixes for which Pillow loads the one decoder that reads them."""

JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "__pycache__"})
"""Names, in lower case, of what systems leave in folders; they are left out like hidden files."""

_MAGIC = frozenset("*?[")
"""The characters that make a pattern of a path."""

_RAW = "a camera's raw file: export it as JPEG"
_MICROSCOPE = "a microscope's file: export it as TIFF or PNG"
_FILM = "a film: save its frames as pictures"
_HINTS = {
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"), _RAW),
    **dict.fromkeys((".mov", ".mp4", ".avi", ".mkv", ".webm", ".m4v", ".3gp"), _FILM),
    **dict.fromkeys(
        (".czi", ".nd2", ".lif", ".oib", ".oif", ".lsm", ".vsi", ".svs", ".ndpi"),
        _MICROSCOPE,
    ),
    **dict.fromkeys((".dcm", ".dicom", ".nii"), "a medical scanner's file: export it as PNG"),
    **dict.fromkeys((".psd", ".xcf", ".svg", ".ai", ".eps", ".pdf", ".jxl", ".exr", ".hdr"), "save it as PNG or JPEG"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".7z", ".rar"), "an archive: unpack it"),
}
"""What to do with files that hold pictures and are not read, by suffix."""


def find_pictures(
    paths: Iterable[str | Path], suffixes: Collection[str] | None = None, left_out: Counter[str] | None = None
) -> Iterator[Path]:
    """Yields all pictures below folders, all matches of patterns such as `*.jpg`, and single files.

    Folders are walked in sorted order, with the names of one folder in memory at a time. Hidden files and folders, what
    systems leave in folders, named pipes and devices are left out.

    Args:
        paths: files, folders and patterns; `-` stands for standard input, also beside a folder of that name.
        suffixes: the suffixes of the files in folders to take; those of pictures by default.
        left_out: receives the number of other files in the folders, by suffix; see `told`.

    Raises:
        InputError: a folder holds no picture, or a pattern matches nothing.
        ZooError: a folder cannot be read; it is raised after all other pictures.
    """
    suffixes = SUFFIXES if suffixes is None else suffixes
    left_out = Counter() if left_out is None else left_out
    for path in paths:
        text = str(path)
        found = False
        before = left_out.copy()
        if text != "-" and os.path.isdir(text):  # noqa: PTH112  # called for each of possibly many names
            for picture in _walk(text, suffixes, left_out):
                found = True
                yield picture
            if not found:
                others = left_out - before
                raise InputError(f"{path} holds no {_names(suffixes)}" + (f", but {told(others)}" if others else ""))
        elif _MAGIC.intersection(text) and not os.path.lexists(text):
            import glob  # a single file needs none of it

            for match in glob.iglob(text, recursive=True):  # noqa: PTH207  # any pattern, absolute ones too
                found = True
                yield Path(match)
            if not found:
                raise InputError(f"nothing matches {path}")
        else:
            yield Path(path)


def told(left_out: Counter[str]) -> str:
    """Returns the numbers of files by suffix in words, with what to do about those that hold pictures."""
    words = []
    for suffix, count in sorted(left_out.items()):
        hint = _HINTS.get(suffix)
        words.append(f"{count} {suffix or 'without a suffix'}" + (f" ({hint})" if hint else ""))
    return ", ".join(words)


def told_suffixes(files: Iterable[Path]) -> str:
    """Returns the end of a sentence on files that are not read, with their numbers by suffix; empty for none."""
    left_out = Counter(path.suffix.lower() for path in files)
    return f" (it has {told(left_out)})" if left_out else ""


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is left out without a word: it is hidden, or left by a system."""
    return name.startswith(".") or name.lower() in JUNK


def _walk(folder: str, suffixes: Collection[str], left_out: Counter[str]) -> Iterator[Path]:
    closed: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not is_left_out(name))
        for name in sorted(files):
            if is_left_out(name):
                continue
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
            if suffix in suffixes:
                path = Path(root, name)
                if not is_pipe(path):
                    yield path
            else:
                left_out[suffix] += 1
    if closed:
        raise ZooError(f"cannot read {closed[0].filename}: {closed[0].strerror}")


def is_pipe(path: Path) -> bool:
    """Whether a file is left out because it is a named pipe or a device, which might be read for ever."""
    try:
        return is_endless(path)
    except OSError:  # the reader reports what is wrong, for example a broken link
        return False


def _names(suffixes: Collection[str]) -> str:
    return "pictures" if suffixes == SUFFIXES else f"{' or '.join(sorted(suffixes))} files"
