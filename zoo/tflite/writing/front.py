"""Puts new tables in front of a `.tflite` model, which may point into it.

Offsets in a flatbuffer are relative and point forward, so the old content stays valid behind the new tables, and these
can point into it. The model's bytes are not touched: repacking them instead would hold the weights several times in
memory and lose their 16-byte alignment.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import flatbuffers
import tflite

from zoo.errors import ExportError
from zoo.tflite.kinds import IDENTIFIER

# Slots of the table `Model` in TensorFlow's schema.fbs; each holds four bytes.
VERSION, OPERATOR_CODES, SUBGRAPHS, DESCRIPTION, BUFFERS, METADATA_BUFFER, METADATA, SIGNATURES = range(8)
_SLOTS = 8


class Old(NamedTuple):
    """A place in the model that the new tables stand in front of."""

    position: int
    """Position in bytes from the model's beginning."""


Writer = Callable[[flatbuffers.Builder], int]
"""Writes a table with a builder, and returns its offset."""
Place = int | Old
"""What an offset points to: the number of a new table or vector, or a place in the old model."""


class _Piece(NamedTuple):
    """A new table or vector."""

    content: bytearray
    start: int
    """Where in the content an offset to it points."""
    offsets: list[tuple[int, Place]]
    """Where in the content its own offsets stand, and what each points to."""


class Front:
    """New tables in front of a model. Each method returns the number of what it adds, to which later ones can point."""

    def __init__(self, flatbuffer: bytes) -> None:
        """Takes the model; see `Root` for what is refused."""
        self.root = Root(flatbuffer)
        self._flatbuffer = flatbuffer
        self._pieces: list[_Piece] = []

    def embed(self, write: Writer) -> int:
        """Adds a flatbuffer of its own, whose root is what `write` returns."""
        b = flatbuffers.Builder(256)
        b.Finish(write(b))
        content = bytearray(b.Output())
        return self._add(content, int(struct.unpack_from("<I", content)[0]))

    def vector(self, targets: Sequence[Place]) -> int:
        """Adds a vector of offsets."""
        content = bytearray(struct.pack("<I", len(targets))) + bytes(4 * len(targets))
        return self._add(content, 0, [(4 + 4 * i, target) for i, target in enumerate(targets)])

    def numbers(self, values: Sequence[int]) -> int:
        """Adds a vector of integers of 32 bits."""
        return self._add(bytearray(struct.pack(f"<I{len(values)}i", len(values), *values)))

    def table(self, offsets: Mapping[int, Place], numbers: Mapping[int, int] | None = None) -> int:
        """Adds a table of offsets and of integers of 32 bits, both by slot."""
        numbers = numbers or {}
        slots = sorted([*offsets, *numbers])
        fields = [4 + 4 * slots.index(slot) if slot in slots else 0 for slot in range(slots[-1] + 1)]
        content = bytearray(struct.pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), 4 + 4 * len(slots), *fields))
        content.extend(bytes(-len(content) % 4))
        start = len(content)
        content.extend(struct.pack(f"<i{len(slots)}I", start, *(numbers.get(slot, 0) for slot in slots)))
        places = [(start + 4 + 4 * i, offsets[slot]) for i, slot in enumerate(slots) if slot in offsets]
        return self._add(content, start, places)

    def finish(self, changed: Mapping[int, int]) -> bytes:
        """Returns new tables and model, with a new root table.

        Args:
            changed: the slots of `Model` that point to new tables; all others point to what they pointed to.
        """
        kept: dict[int, Place] = {slot: Old(position) for slot, position in self.root.targets.items()}
        root = self.table(kept | dict(changed), {VERSION: self.root.version})
        starts: dict[int, int] = {}
        size = 16  # the offset of the root, and the identifier
        # A table stands before those that it points to, which were added earlier.
        for number in range(root, -1, -1):
            starts[number] = size
            size += len(self._pieces[number].content)
        new = bytearray(16)
        struct.pack_into("<I4s", new, 0, starts[root] + self._pieces[root].start, IDENTIFIER)
        for number, position in starts.items():
            piece = self._pieces[number]
            for at, target in piece.offsets:
                place = (
                    target.position + size if isinstance(target, Old) else self._pieces[target].start + starts[target]
                )
                struct.pack_into("<I", piece.content, at, place - position - at)
            new.extend(piece.content)
        return bytes(new) + self._flatbuffer

    def _add(self, content: bytearray, start: int = 0, offsets: list[tuple[int, Place]] | None = None) -> int:
        content.extend(bytes(-len(content) % 16))
        self._pieces.append(_Piece(content, start, offsets or []))
        return len(self._pieces) - 1


class Root:
    """The positions to which a model's root table points."""

    def __init__(self, flatbuffer: bytes) -> None:
        """Reads the root.

        Raises:
            ExportError: the model has a schema that is newer than this version, or weights outside the flatbuffer.
        """
        self._data = flatbuffer
        fields = self.fields(self._u32(0))
        if any(slot >= _SLOTS for slot in fields):
            raise ExportError("the converter wrote a newer TFLite schema than this version of edgezoo knows")
        self.version = self._u32(fields[VERSION])
        self.targets = {slot: p + self._u32(p) for slot, p in fields.items() if slot != VERSION}
        model = tflite.Model.GetRootAs(flatbuffer, 0)
        if any(model.Buffers(i).Offset() > 1 for i in range(model.BuffersLength())):
            raise ExportError("weights outside the flatbuffer (above 2 GB) are not supported")
        self.model = model
        self.graph = model.Subgraphs(0)

    def fields(self, table: int) -> dict[int, int]:
        """Returns the positions of a table's fields by slot."""
        vtable = table - int(struct.unpack_from("<i", self._data, table)[0])
        slots = (struct.unpack_from("<H", self._data, vtable)[0] - 4) // 2
        found = struct.unpack_from(f"<{slots}H", self._data, vtable + 4)
        return {slot: table + field for slot, field in enumerate(found) if field}

    def target(self, position: int) -> Old:
        """Returns the place that an offset points to."""
        return Old(position + self._u32(position))

    def members(self, slot: int) -> list[Old]:
        """Returns the tables of a vector that a slot of `Model` points to; none if it is missing."""
        return self.tables(self.targets[slot]) if slot in self.targets else []

    def tables(self, vector: int) -> list[Old]:
        """Returns the tables that a vector at a position points to."""
        return [self.target(p) for p in range(vector + 4, vector + 4 + 4 * self._u32(vector), 4)]

    def _u32(self, position: int) -> int:
        return int(struct.unpack_from("<I", self._data, position)[0])


def table(
    b: flatbuffers.Builder,
    offsets: dict[int, int] | None = None,
    numbers: dict[int, tuple[str, float]] | None = None,
) -> int:
    """Writes a table: `offsets` to strings, vectors and tables, and `numbers` (type, value), by slot."""
    offsets, numbers = offsets or {}, numbers or {}
    b.StartObject(1 + max([*offsets, *numbers], default=-1))
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, (kind, value) in numbers.items():
        getattr(b, f"Prepend{kind}Slot")(slot, value, 0)
    return int(b.EndObject())


def tables(b: flatbuffers.Builder, members: Sequence[int]) -> int:
    """Writes a vector of tables."""
    b.StartVector(4, len(members), 4)
    for member in reversed(members):
        b.PrependUOffsetTRelative(member)
    return int(b.EndVector())


def integers(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    """Writes a vector of integers of 32 bits."""
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependInt32(value)
    return int(b.EndVector())


def aligned_bytes(b: flatbuffers.Builder, blob: bytes) -> int:
    """Writes a vector of bytes that begins at a multiple of 16, as the schemas require of those of weights."""
    b.StartVector(1, len(blob), 16)
    b.head -= len(blob)
    b.Bytes[b.head : b.head + len(blob)] = blob
    return int(b.EndVector())
