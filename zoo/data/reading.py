"""Reads every file once, in threads: hashes it, decodes it and keeps the result."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from zoo.data.near import print_of
from zoo.errors import InputError
from zoo.files.reading import is_endless
from zoo.inputs import find, values
from zoo.inputs.pictures import images
from zoo.inputs.pictures.formats import require_size
from zoo.inputs.pictures.images import load_image
from zoo.inputs.preprocessing import Preprocessing, is_picture
from zoo.inputs.values import load_values
from zoo.machine.cores import usable_cores
from zoo.progress import SILENT, Progress

Array = npt.NDArray[Any]
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Finding:
    """The result of reading a file."""

    content: str = ""
    """A hash of the file's bytes; empty if it could not be read."""
    error: str | None = None
    """The reason why the file cannot be used; None if it can."""
    size: tuple[int, int] | None = None
    """Width and height of a picture as it is stored."""
    mode: str | None = None
    """Pillow's name for a picture's pixels: RGB, L, CMYK..."""
    seen: str = ""
    """A hash of what the model sees: the same for pictures that differ in their bytes only."""
    thumbnail: Array | None = None
    """The print of a picture, see `zoo.data.near`."""


@dataclass(frozen=True)
class Reader:
    """Reads files as the model sees them, with the functions that the device uses."""

    shape: tuple[int, ...]
    """`(height, width, channels)` of pictures, or the shape of windows of values."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    @property
    def takes_pictures(self) -> bool:
        """Whether the files are pictures; else they are windows of values."""
        return is_picture(self.shape)

    @property
    def suffixes(self) -> Collection[str]:
        """Suffixes of the files that are read."""
        return find.SUFFIXES if self.takes_pictures else values.SUFFIXES

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        """Data type of the arrays that `read` returns."""
        return np.uint8 if self.takes_pictures else np.float32

    @property
    def bytes_each(self) -> int:
        """Size of one example, in bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def read(self, path: Path) -> Array:
        """Reads a file to `shape`: uint8 pixels 0..255, or float32 values.

        Raises:
            InputError: the file cannot be read.
        """
        if not self.takes_pictures:
            return load_values(path, self.shape)
        height, width, channels = self.shape
        return load_image(path, width, height, channels, self.preprocessing)

    def _decode(self, stream: io.BytesIO) -> tuple[tuple[int, int], str, Array]:
        """Returns a picture's size and mode in the file, and its pixels as the model sees them."""
        height, width, channels = self.shape
        with images.opened(stream) as image:
            size, mode = image.size, image.mode
            return size, mode, images.to_pixels(image, width, height, channels, self.preprocessing, owned=True)[0]

    def examine(self, path: Path) -> tuple[Finding, Array | None]:
        """Reads a file, and returns what is wrong with it instead of raising an error."""
        try:
            content = self._content(path)
        except InputError as error:
            return Finding(error=str(error)), None
        digest = hashlib.sha256(content).hexdigest()
        try:
            if not self.takes_pictures:
                found = load_values(path, self.shape)
                return Finding(digest, seen=_hash(found)), found
            stream = io.BytesIO(content)
            stream.name = str(path)
            size, mode, pixels = self._decode(stream)
            return Finding(digest, None, size, mode, _hash(pixels), print_of(pixels)), pixels
        except InputError as error:
            return Finding(digest, str(error)), None

    def _content(self, path: Path) -> bytes:
        try:
            if is_endless(path):
                raise InputError(f"{path} is no file but a named pipe or a device")
            if self.takes_pictures:
                require_size(path.stat().st_size)
            elif path.stat().st_size > values.most_bytes(self.shape):
                load_values(path, self.shape)  # says what is wrong if it can, without reading the whole file
                raise InputError(f"{path} has more bytes than values of shape {self.shape} take")
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        except ValueError as error:
            raise InputError(f"cannot read {path}: {error}") from error


def _hash(values: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def read_all(
    paths: Sequence[Path], reader: Reader, store: Array | None = None, progress: Progress = SILENT
) -> list[Finding]:
    """Reads files in as many threads as there are cores; Pillow and numpy leave Python free while they work.

    Args:
        paths: the files.
        reader: the reader of one file.
        store: `(len(paths), *reader.shape)`; what is read is written there, row by row.
        progress: is told how many files have been read.
    """

    def examine(row: int) -> Finding:
        finding, example = reader.examine(paths[row])
        if store is not None and example is not None:
            store[row] = example
        return finding

    findings = []
    for finding in in_threads(examine, range(len(paths))):
        findings.append(finding)
        what = "pictures" if reader.takes_pictures else "windows"
        progress.step(f"reading {what}", len(findings), len(paths))
    return findings


def in_threads(function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Maps a function over items in threads, in order; an interrupt waits only for the items in progress."""
    threads = usable_cores()
    ahead = 4 * threads
    items = iter(items)
    pool = ThreadPoolExecutor(threads)
    try:
        pending = [pool.submit(function, item) for item in itertools.islice(items, ahead)]
        pending.reverse()
        while pending:
            yield pending.pop().result()
            pending[:0] = [pool.submit(function, item) for item in itertools.islice(items, 1)]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
