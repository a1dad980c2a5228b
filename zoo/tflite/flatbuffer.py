"""A flatbuffer reader that trusts nothing: every offset is checked, and no input makes it loop for long.

Generated flatbuffer code reads whatever a damaged offset points to, and walks vectors as long as a damaged length
says. This one raises `ModelFileError` for both.
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ModelFileError

if TYPE_CHECKING:
    import numpy.typing as npt

Data = bytes | mmap.mmap

MAX_TEXT = 65_536
"""The most bytes of a name. TensorFlow joins the names of operations that it fuses, which makes some names long."""

_NUMBERS = {kind: struct.Struct(f"<{kind}") for kind in "bBhHiIqQf"}


def shortened(text: str, length: int = 80) -> str:
    """Shortens a text of a file for quoting it in error messages."""
    return repr(text if len(text) <= length else text[: length - 3] + "...")


class Reader:
    """The bytes of a file, with a limit on how many may still be read."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.size = len(data)
        # In a valid file no two vectors share bytes, so their total size cannot be much larger than the file.
        self._left = 4 * self.size + 4096
        self._counts: Counter[str] = Counter()

    def root(self, identifier: bytes) -> Table:
        """Returns the root table.

        Raises:
            ModelFileError: the file has another identifier, or the offset points outside of the file.
        """
        if self.size < 8 or self.data[4:8] != identifier:
            raise ModelFileError(f"it does not carry the mark {identifier.decode()!r}")
        return Table(self, self.offset(0))

    def unpack(self, kind: str, position: int) -> Any:
        """Reads one number, whose type is a `struct` letter."""
        form = _NUMBERS[kind]
        if position < 0 or position + form.size > self.size:
            raise ModelFileError(f"an offset points to byte {position}, the file has {self.size}")
        return form.unpack_from(self.data, position)[0]

    def offset(self, position: int) -> int:
        """Follows the offset at a position."""
        target = position + int(self.unpack("I", position))
        if target >= self.size:
            raise ModelFileError(f"an offset points to byte {target}, the file has {self.size}")
        return target

    def count(self, what: str, number: int, most: int) -> None:
        """Adds to the number of items of a kind in a file, before they are read.

        Raises:
            ModelFileError: there are more items than any model has.
        """
        self._counts[what] += number
        if self._counts[what] > most:
            raise ModelFileError(f"it has {self._counts[what]} {what}, the limit is {most}")

    def span(self, position: int, item_bytes: int) -> tuple[int, int]:
        """Returns the start and the number of items of the vector at a position.

        Raises:
            ModelFileError: the vector reaches beyond the file, or the file's vectors overlap.
        """
        length = int(self.unpack("I", position))
        if position + 4 + length * item_bytes > self.size:
            raise ModelFileError(f"a vector of {length} items at byte {position} reaches beyond the file's end")
        self._left -= 4 + length * item_bytes
        if self._left < 0:
            raise ModelFileError("its vectors overlap")
        return position + 4, length


class Table:
    """A flatbuffer table; fields are read by their slot in the schema."""

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
        """Reads an integer or bool field, whose type is a `struct` letter."""
        position = self._field(slot)
        return default if position is None else int(self._reader.unpack(kind, position))

    def real(self, slot: int, default: float = 0.0) -> float:
        """Reads a field that is a float of 32 bits."""
        position = self._field(slot)
        return default if position is None else float(self._reader.unpack("f", position))

    def table(self, slot: int) -> Table | None:
        """Reads a field that is a table; None if it is missing."""
        position = self._field(slot)
        return None if position is None else Table(self._reader, self._reader.offset(position))

    def tables(self, slot: int, what: str, most: int) -> Iterator[Table]:
        """Reads a field that is a vector of tables; all such vectors of a file may have `most` tables together."""
        position = self._field(slot)
        if position is not None:
            start, length = self._reader.span(self._reader.offset(position), 4)
            self._reader.count(what, length, most)
            for i in range(length):
                yield Table(self._reader, self._reader.offset(start + 4 * i))

    def array(self, slot: int, dtype: str, what: str, most: int) -> npt.NDArray[Any]:
        """Copies a field that is a vector of numbers; empty if it is missing. `most` counts as in `tables`."""
        start, length = self.span(slot, np.dtype(dtype).itemsize)
        self._reader.count(what, length, most)
        return np.frombuffer(self._reader.data, dtype, length, start).copy() if length else np.empty(0, dtype)

    def span(self, slot: int, item_bytes: int = 1) -> tuple[int, int]:
        """Returns start and length of a vector field without reading it; `(0, 0)` if it is missing."""
        position = self._field(slot)
        return (0, 0) if position is None else self._reader.span(self._reader.offset(position), item_bytes)

    def text(self, slot: int) -> str:
        """Reads a string field; bytes that are not UTF-8 are replaced.

        Raises:
            ModelFileError: the string has more than `MAX_TEXT` bytes.
        """
        start, length = self.span(slot)
        if length > MAX_TEXT:
            raise ModelFileError(f"it has a name of {length} bytes, the limit is {MAX_TEXT}")
        return bytes(self._reader.data[start : start + length]).decode("utf-8", errors="replace")
