"""A flatbuffer reader that trusts nothing: every offset is checked, and no input makes it loop for long.

Generated flatbuffer code reads whatever a damaged offset points to, and walks vectors as long as a damaged length
says. This one raises `ModelFileError` for both.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ModelFileError

Data = bytes | mmap.mmap


class Reader:
    """The bytes of a file, and how much of them may still be read."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.size = len(data)
        # In a sound file no two vectors share bytes, so what all of them hold cannot exceed the file by much.
        self._left = 4 * self.size + 4096

    def root(self, identifier: bytes) -> Table:
        """The root table.

        Raises:
            ModelFileError: another identifier, or an offset that points outside.
        """
        if self.size < 8 or self.data[4:8] != identifier:
            raise ModelFileError(f"it does not carry the mark {identifier.decode()!r}")
        return Table(self, self.offset(0))

    def unpack(self, kind: str, position: int) -> Any:
        """One number, by its `struct` letter."""
        if position < 0 or position + struct.calcsize(kind) > self.size:
            raise ModelFileError(f"an offset points to byte {position}, the file has {self.size}")
        return struct.unpack_from("<" + kind, self.data, position)[0]

    def offset(self, position: int) -> int:
        """Follows the offset that stands at a position."""
        target = position + int(self.unpack("I", position))
        if target >= self.size:
            raise ModelFileError(f"an offset points to byte {target}, the file has {self.size}")
        return target

    def span(self, position: int, item_bytes: int) -> tuple[int, int]:
        """Start and number of items of the vector at a position.

        Raises:
            ModelFileError: it reaches beyond the file, or the file's vectors overlap.
        """
        length = int(self.unpack("I", position))
        if position + 4 + length * item_bytes > self.size:
            raise ModelFileError(f"a vector of {length} items at byte {position} reaches beyond the file's end")
        self._left -= 4 + length * item_bytes
        if self._left < 0:
            raise ModelFileError("its vectors overlap")
        return position + 4, length


class Table:
    """A flatbuffer table; fields are asked for by their slot in the schema."""

    def __init__(self, reader: Reader, position: int) -> None:
        self._reader = reader
        self._position = position
        vtable = position - int(reader.unpack("i", position))
        size = int(reader.unpack("H", vtable))
        if size < 4 or vtable + size > reader.size:
            raise ModelFileError(f"the table at byte {position} is damaged")
        self._vtable, self._vtable_size = vtable, size

    def _field(self, slot: int) -> int | None:
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_size:
            return None
        relative = int(self._reader.unpack("H", self._vtable + entry))
        return self._position + relative if relative else None

    def number(self, slot: int, kind: str, default: int = 0) -> int:
        """An integer or bool field, by its `struct` letter."""
        position = self._field(slot)
        return default if position is None else int(self._reader.unpack(kind, position))

    def table(self, slot: int) -> Table | None:
        """A table field."""
        position = self._field(slot)
        return None if position is None else Table(self._reader, self._reader.offset(position))

    def tables(self, slot: int) -> Iterator[Table]:
        """A field that is a vector of tables."""
        position = self._field(slot)
        if position is not None:
            start, length = self._reader.span(self._reader.offset(position), 4)
            for i in range(length):
                yield Table(self._reader, self._reader.offset(start + 4 * i))

    def array(self, slot: int, dtype: str) -> npt.NDArray[Any]:
        """A field that is a vector of numbers, copied; empty where it is not there."""
        start, length = self.span(slot, np.dtype(dtype).itemsize)
        return np.frombuffer(self._reader.data, dtype, length, start).copy() if length else np.empty(0, dtype)

    def span(self, slot: int, item_bytes: int = 1) -> tuple[int, int]:
        """Start and length of a vector field, unread; `(0, 0)` where it is not there."""
        position = self._field(slot)
        return (0, 0) if position is None else self._reader.span(self._reader.offset(position), item_bytes)

    def bytes(self, slot: int) -> bytes:
        """A field that is a vector of bytes or a string."""
        start, length = self.span(slot)
        return bytes(self._reader.data[start : start + length])

    def text(self, slot: int) -> str:
        """A string field; what is not UTF-8 in it is replaced."""
        return self.bytes(slot).decode("utf-8", errors="replace")
