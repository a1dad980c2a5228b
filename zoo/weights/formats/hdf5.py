"""Checks the structure of HDF5 files from untrusted sources before any array is read.

An HDF5 file can name other files as its storage, contain links to other files, claim terabytes in two kilobytes, and
ask for plugins to decompress it. Keras writes no such files, so they are refused with any version of Keras and HDF5.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UnsafeFileError

MAX_OBJECTS = 100_000
"""Largest number of groups and arrays in a file; the largest models have some thousands."""
MAX_RANK = 8
"""Largest number of dimensions of an array; the kernel of a 3-D convolution has five."""
MAX_EXPANSION = 20
"""Largest ratio of an array's size to its compressed size, beyond `SLACK`."""
SLACK = 1 << 20
"""Bytes that compressed arrays may have in all, at any ratio."""
MAX_TEXT = 1 << 30
"""Most bytes of the texts of one attribute."""
MAX_ITEM = 1 << 16
"""Most bytes of one value."""

_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""The filters that HDF5 and h5py can decode without plugins."""
_HEAP = b"GCOL\x01\0\0\0"
"""The first bytes of a heap of texts: signature, version, and three reserved bytes."""
_KINDS = frozenset("fiubSV")
"""The kinds of values that are allowed, in numpy's letters; bfloat16 values become V."""


@dataclass(frozen=True)
class Contents:
    """An open HDF5 file whose structure has passed the checks."""

    file: Any
    """An `h5py.File`."""
    values: int
    """Number of values in all of its arrays."""


@contextlib.contextmanager
def opened(place: Path | bytes, path: Path) -> Iterator[Contents]:
    """Opens an HDF5 file and checks its whole structure, without reading an array.

    Args:
        place: the path of the file, or its content.
        path: the path of the file for error messages.

    Raises:
        UnsafeFileError: the file leads to other files, or claims more data than it holds.
        OSError, RuntimeError, ValueError: the file is damaged; h5py raises them.
    """
    import h5py

    with h5py.File(io.BytesIO(place) if isinstance(place, bytes) else place, "r") as file:
        yield Contents(file, _Inspection(path, place).run(file))


class _Inspection:
    """One check of a file, from its root group to all of its members."""

    def __init__(self, path: Path, place: Path | bytes) -> None:
        self._path, self._place = path, place
        self._size = len(place) if isinstance(place, bytes) else place.stat().st_size
        self._seen: set[int] = set()
        self._values = self._plain = self._packed = self._claimed = self._texts = 0

    def run(self, file: Any) -> int:
        """Checks all groups, arrays and attributes; returns the number of values in the arrays."""
        waiting = [file["/"]]
        while waiting:
            group = waiting.pop()
            self._once(group)
            self._check_attributes(group)
            waiting += [member for member in self._members(group) if not self._is_array(member)]
        return self._values

    def _refuse(self, what: str) -> UnsafeFileError:
        return UnsafeFileError(f"{self._path} is refused: {what}; ask for a file as Keras itself saves it")

    def _once(self, member: Any) -> None:
        import h5py

        address = h5py.h5o.get_info(member.id).addr
        if address in self._seen:
            raise self._refuse(f"its {_called(member)} is in two places")
        if len(self._seen) >= MAX_OBJECTS:
            raise self._refuse(f"it has more than {MAX_OBJECTS} groups and arrays")
        self._seen.add(address)

    def _members(self, group: Any) -> Iterator[Any]:
        import h5py

        for name in group:
            shown = repr(f"{group.name.rstrip('/')}/{name}"[:120])
            try:
                link = group.get(name, getlink=True)
            except TypeError:  # h5py knows no such link
                link = None
            if isinstance(link, h5py.ExternalLink):
                raise self._refuse(f"its {shown} is a link to another file")
            if not isinstance(link, h5py.HardLink):
                raise self._refuse(f"its {shown} is a link that leads elsewhere")
            member = group[name]
            if not isinstance(member, h5py.Group | h5py.Dataset):
                raise self._refuse(f"its {shown} is neither a group nor an array")
            yield member

    def _is_array(self, member: Any) -> bool:
        import h5py

        if isinstance(member, h5py.Group):
            return False
        self._once(member)
        self._check_attributes(member)
        self._check_array(member)
        return True

    def _check_array(self, array: Any) -> None:
        import h5py

        shown = _called(array)
        layout = array.id.get_create_plist()
        if layout.get_external_count():
            raise self._refuse(f"its array {shown} is stored in another file")
        if layout.get_layout() not in {h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED}:
            raise self._refuse(f"its array {shown} is virtual: it consists of other files' arrays")
        filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
        for strange in sorted(set(filters) - set(_FILTERS)):
            raise self._refuse(f"its array {shown} is packed in an unusual way (filter {strange})")
        self._check_type(array.id.get_type(), f"array {shown}")
        shape = array.shape or ()
        if len(shape) > MAX_RANK:
            raise self._refuse(f"its array {shown} has {len(shape)} dimensions; at most {MAX_RANK} are read")
        count = 0 if array.shape is None else math.prod(shape)
        width, stored = array.dtype.itemsize, array.id.get_storage_size()
        # A chunk is decompressed as a whole, even if the array ends within it.
        claimed = max(count, math.prod(array.chunks or (0,))) * width if count else 0
        self._values += count
        if claimed > SLACK + MAX_EXPANSION * stored or (not filters and count * width > stored):
            raise self._refuse(f"its array {shown} claims {claimed} bytes and has {stored}")
        if filters:
            self._claimed += claimed
            self._packed += stored
        else:
            self._plain += stored
        if self._plain + self._packed > self._size or self._claimed > SLACK + MAX_EXPANSION * self._packed:
            raise self._refuse(f"its arrays claim more than its {self._size} bytes can hold")

    def _check_type(self, kind: Any, what: str) -> None:
        import h5py

        plain = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.OPAQUE, h5py.h5t.BITFIELD)
        text = kind.get_class() == h5py.h5t.STRING and not kind.is_variable_str()
        if (kind.get_class() not in plain and not text) or kind.get_size() > MAX_ITEM:
            raise self._refuse(f"its {what} holds something other than numbers")
        if kind.dtype.kind not in _KINDS:
            raise self._refuse(f"its {what} holds something other than numbers")

    def _check_attributes(self, member: Any) -> None:
        import h5py

        for index in range(h5py.h5a.get_num_attrs(member.id)):
            attribute = h5py.h5a.open(member.id, index=index)
            shown = f"attribute {attribute.name[:80].decode('utf-8', 'replace')!r}"
            kind, count = attribute.get_type(), attribute.get_space().get_simple_extent_npoints()
            self._texts += count * kind.get_size()
            large = self._texts > self._size
            if kind.get_class() != h5py.h5t.STRING:
                self._check_type(kind, shown)
            elif kind.is_variable_str() and count > 1:
                large = large or count * self._longest_text > MAX_TEXT
            if large:
                raise self._refuse(f"its {shown} claims more than its {self._size} bytes can hold")

    @functools.cached_property
    def _longest_text(self) -> int:
        """The size in bytes of the file's largest heap of texts; no text of an attribute is longer.

        Several attributes can share one text in the file, and HDF5 has no function that returns a text's length.
        """
        if isinstance(self._place, bytes):
            return _largest_heap(self._place, self._size)
        with self._place.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _largest_heap(content, self._size)


def _largest_heap(content: bytes | mmap.mmap, size: int) -> int:
    """Finds the largest global heap (III.E of HDF5's format specification) that a file of `size` bytes can hold."""
    largest, at = 0, content.find(_HEAP)
    while at >= 0:
        # Lengths have 2, 4 or 8 bytes, depending on the file; a number that is too large is not a length.
        lengths = [int.from_bytes(content[at + len(_HEAP) : at + len(_HEAP) + n], "little") for n in (2, 4, 8)]
        largest = max([largest, *(length for length in lengths if length <= size - at)])
        at = content.find(_HEAP, at + 1)
    return largest


def _called(member: Any) -> str:
    return repr(str(member.name)[:120])
