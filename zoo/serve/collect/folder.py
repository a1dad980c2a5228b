"""A folder of pictures that a page fills, a folder for each class: names are checked, nothing else is touched."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import InputError, OutputError
from zoo.files.writing import atomic, require_writable, sweep
from zoo.inputs.find import SUFFIXES
from zoo.inputs.pictures.images import opened
from zoo.inputs.splits import alike, split_of
from zoo.text import first_hidden

MOST_PICTURES = 10_000
"""The most pictures of all classes, unless another number is given."""
MOST_CLASSES = 100
MOST_LETTERS = 80
"""The most characters of a class's name."""
SPARE = 200_000_000
"""Bytes of the disk that stay free."""
SHOWN = 60
"""The most pictures of a class that are listed, the newest first."""

_BURST = re.compile(r"[0-9a-z]{1,16}")
_FILE = re.compile(r"burst-[0-9a-z]{1,16}-[0-9]{4,6}\.jpg")
"""The names that pictures get here; no other file is shown or deleted."""
_REFUSED = frozenset('/\\:*?"<>|')
"""Characters that some system does not allow in the name of a folder."""
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever stands behind a dot."""


class NotThereError(InputError):
    """A class or a picture that is not there."""


class FullError(OutputError):
    """A collection that takes no more pictures or classes."""


class TooLargeError(InputError):
    """A picture of more pixels than are taken."""


@dataclass(frozen=True)
class Class:
    """A class of a collection."""

    name: str
    count: int
    """The number of its pictures, also of those that were not collected here."""
    files: tuple[str, ...]
    """The names of those that were, the newest first, at most `SHOWN`."""


class Collection:
    """The pictures below one folder; several threads may use it."""

    def __init__(self, folder: Path, most: int = MOST_PICTURES) -> None:
        """Makes the folder, if it is not there yet, and removes what writes of a server that was killed have left.

        Raises:
            OutputError: it cannot be read or written to.
        """
        require_writable(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
        self.folder = folder
        self.most = most
        self._lock = threading.Lock()
        for path in self._folders():
            with contextlib.suppress(OSError):  # one that may not be read is said when it is asked for
                sweep(path)

    def classes(self) -> list[Class]:
        """Returns the classes in the order of their names."""
        return [self._described(path) for path in self._folders()]

    def add_class(self, name: str) -> Class:
        """Makes the folder of a new class.

        Raises:
            InputError: the name is not allowed, or a class has one that is too much alike.
            FullError: there are too many classes, or the disk is full.
        """
        name = name.strip()
        _require_name(name)
        with self._lock:
            known = [path.name for path in self._folders()]
            for other in known:
                if alike(other) == alike(name):
                    raise InputError(f"there is a class {other!r} already; give another name")
            if len(known) >= MOST_CLASSES:
                raise FullError(f"there are {len(known)} classes, the most that are taken here")
            try:
                (self.folder / name).mkdir()
            except OSError as error:
                raise FullError(f"the class {name!r} cannot be made: {error.strerror}") from error
        return Class(name, 0, ())

    def add(self, name: str, picture: bytes, burst: str, max_pixels: int) -> tuple[str, Class]:
        """Stores a picture under the next name of its burst.

        Args:
            name: the class.
            picture: the content of a JPEG file.
            burst: a word of digits and small letters that the pictures of one burst have in common.
            max_pixels: the most pixels that it may have.

        Returns:
            The name of the file, and the class with it.

        Raises:
            NotThereError: there is no such class.
            InputError: it is no whole JPEG picture, or the word is not allowed.
            FullError: there are too many pictures, or too little room on the disk.
        """
        folder = self._of(name)
        if not _BURST.fullmatch(burst):
            raise InputError(f"burst={burst[:40]!r} is not allowed; give 1 to 16 digits and letters a to z")
        _require_picture(picture, max_pixels)
        with self._lock:
            if sum(len(_pictures(one)) for one in self._folders()) >= self.most:
                raise FullError(f"there are {self.most} pictures, the most that are taken here (--max-pictures)")
            if shutil.disk_usage(folder).free < SPARE + len(picture):
                raise FullError(f"less than {SPARE / 1e6:g} MB are free on the disk")
            taken = [path.name for path in folder.glob(f"burst-{burst}-*.jpg")]
            number = max((int(file.rpartition("-")[2][:-4]) for file in taken if _FILE.fullmatch(file)), default=0) + 1
            file = f"burst-{burst}-{number:04d}.jpg"
            if not _FILE.fullmatch(file):
                raise FullError(f"the burst {burst} has {number - 1} pictures, the most that are taken")
            with atomic(folder / file) as scratch:
                scratch.write_bytes(picture)
        return file, self._described(folder)

    def read(self, name: str, file: str) -> bytes:
        """Returns the content of a picture that was collected here.

        Raises:
            NotThereError: it is not there.
        """
        try:
            return self._picture(name, file).read_bytes()
        except OSError as error:
            raise NotThereError(f"the picture {file} is not there any more") from error

    def delete(self, name: str, file: str) -> Class:
        """Deletes a picture that was collected here, and returns its class without it.

        Raises:
            NotThereError: it is not there.
            OutputError: it cannot be deleted.
        """
        path = self._picture(name, file)
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise NotThereError(f"the picture {file} is not there any more") from error
        except OSError as error:
            raise OutputError(f"{file} cannot be deleted: {error.strerror}") from error
        return self._described(path.parent)

    def _folders(self) -> list[Path]:
        found = [path for path in _entries(self.folder) if path.is_dir() and not path.is_symlink()]
        return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.name)

    def _of(self, name: str) -> Path:
        """Returns the folder of a class. Only names that are listed lead anywhere, so that none leads elsewhere."""
        for path in self._folders():
            if path.name == name:
                return path
        raise NotThereError(f"there is no class {name[:MOST_LETTERS]!r}")

    def _picture(self, name: str, file: str) -> Path:
        path = self._of(name) / file if _FILE.fullmatch(file) else None
        if path is None or path.is_symlink() or not path.is_file():
            raise NotThereError(f"there is no picture {file[:60]!r} of {name[:MOST_LETTERS]!r} that was collected here")
        return path

    def _described(self, folder: Path) -> Class:
        names = _pictures(folder)
        own = sorted(((_written(folder / name), name) for name in names if _FILE.fullmatch(name)), reverse=True)
        return Class(folder.name, len(names), tuple(name for _, name in own[:SHOWN]))


def _entries(folder: Path) -> list[Path]:
    """Returns what is in a folder; nothing, if somebody has deleted the folder meanwhile.

    Raises:
        OutputError: it may not be read.
    """
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"cannot read {folder}: {error.strerror}") from error


def _pictures(folder: Path) -> list[str]:
    """Returns the names of the pictures in a folder."""
    return [path.name for path in _entries(folder) if path.suffix.lower() in SUFFIXES and path.name[0] != "."]


def _written(path: Path) -> int:
    """Returns when a file was written, in nanoseconds; 0 if somebody has deleted it meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _require_name(name: str) -> None:
    """Refuses names of classes that a folder, a label or a training could not have."""
    why = ""
    if not name or len(name) > MOST_LETTERS or len(name.encode()) > 200:
        why = f"give 1 to {MOST_LETTERS} characters"
    elif hidden := first_hidden(name):
        why = f"it holds the character {hidden}, which does not show itself"
    elif name.startswith(".") or name.endswith(".") or _REFUSED & set(name):
        why = "folders cannot have such names on every system: leave out dots at the ends, and any of " + " ".join(
            sorted(_REFUSED)
        )
    elif _DEVICE.fullmatch(name):
        why = "folders cannot have such names on every system: Windows keeps it for a device"
    elif split := split_of(name):
        why = f"a folder of that name is read as the {split} part of the data"
    if why:
        raise InputError(f"the name {name[:MOST_LETTERS]!r} is not allowed for a class: {why}")


def _require_picture(content: bytes, max_pixels: int) -> None:
    """Refuses what is no whole JPEG picture, before any of it is stored."""
    with opened(io.BytesIO(content), ("JPEG",)) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise TooLargeError(
                f"the picture has {width}x{height} pixels; the limit here is {max_pixels / 1e6:g} megapixels"
            )
        image.load()
