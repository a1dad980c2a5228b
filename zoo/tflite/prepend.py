"""Puts a new root table in front of a `.tflite` model, with one more metadata entry and one signature.

Offsets in a flatbuffer are relative and point forward, so the old content stays valid behind the new root, and the new
root can point into it. The model's bytes are not touched: repacking them instead would hold the weights several times
in memory and lose their 16-byte alignment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import flatbuffers
import tflite

from zoo.errors import ExportError
from zoo.tflite.kinds import IDENTIFIER
from zoo.tflite.tags import Signature

# Slots of the table `Model` in TensorFlow's schema.fbs; each holds four bytes.
_VERSION, _OPERATOR_CODES, _SUBGRAPHS, _DESCRIPTION, _BUFFERS, _METADATA_BUFFER, _METADATA, _SIGNATURES = range(8)
_SLOTS = 8
_VTABLE = 8
_ROOT = _VTABLE + 4 + 2 * _SLOTS
_HEADER_BYTES = _ROOT + 4 + 4 * _SLOTS


def prepend_root(flatbuffer: bytes, name: str, blob: bytes, signature: Signature) -> bytes:
    """Returns the model with `blob` as its metadata entry `name`, and with this signature only.

    Raises:
        ExportError: the model has an unknown schema, or other inputs and outputs than the signature.
    """
    old = _OldRoot(flatbuffer)
    if len(old.outputs) != len(signature.outputs):
        raise ExportError(f"the file has {len(old.outputs)} outputs, the model has {len(signature.outputs)}")
    entries = [position for position, other in old.metadata if other != name.encode()]
    new = bytearray(_HEADER_BYTES)
    at_buffers, at_metadata, at_signatures = (_reserve(new, n) for n in (len(old.buffers) + 1, len(entries) + 1, 1))
    entry = _embed(new, _metadata_entry(name, len(old.buffers)))
    buffer = _embed(new, _buffer(blob))
    signed = _embed(new, _signature(signature, old.input, old.outputs))
    new.extend(b"\0" * (-len(new) % 16))
    shift = len(new)

    def vector(position: int, targets: Sequence[int]) -> None:
        struct.pack_into("<I", new, position, len(targets))
        for i, target in enumerate(targets, start=1):
            _point(new, position + 4 * i, target)

    vector(at_buffers, [*(position + shift for position in old.buffers), buffer])
    vector(at_metadata, [*(position + shift for position in entries), entry])
    vector(at_signatures, [signed])
    kept = {slot: position + shift for slot, position in old.targets.items()}
    made = {_BUFFERS: at_buffers, _METADATA: at_metadata, _SIGNATURES: at_signatures}
    _write_header(new, old.version, kept | made)
    return bytes(new) + flatbuffer


def table(
    b: flatbuffers.Builder,
    offsets: dict[int, int] | None = None,
    numbers: dict[int, tuple[str, int]] | None = None,
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


def _write_header(new: bytearray, version: int, targets: dict[int, int]) -> None:
    """The root: its vtable, then a table whose slots hold four bytes each."""
    _point(new, 0, _ROOT)
    new[4:8] = IDENTIFIER
    struct.pack_into("<HH", new, _VTABLE, 4 + 2 * _SLOTS, 4 + 4 * _SLOTS)
    struct.pack_into("<i", new, _ROOT, _ROOT - _VTABLE)
    for slot in range(_SLOTS):
        position = _ROOT + 4 + 4 * slot
        if slot == _VERSION:
            struct.pack_into("<I", new, position, version)
        elif slot in targets:
            _point(new, position, targets[slot])
        else:
            continue
        struct.pack_into("<H", new, _VTABLE + 4 + 2 * slot, position - _ROOT)


def _point(new: bytearray, position: int, target: int) -> None:
    struct.pack_into("<I", new, position, target - position)


def _reserve(new: bytearray, length: int) -> int:
    """Appends room for a vector of offsets; returns its position."""
    position = len(new)
    new.extend(b"\0" * (4 * (1 + length)))
    return position


def _embed(new: bytearray, flatbuffer: bytes) -> int:
    """Appends a flatbuffer; returns the position of its root table."""
    new.extend(b"\0" * (-len(new) % 16))
    position = len(new)
    new.extend(flatbuffer)
    return position + int(struct.unpack_from("<I", flatbuffer)[0])


def _metadata_entry(name: str, buffer: int) -> bytes:
    b = flatbuffers.Builder(64)
    b.Finish(table(b, {0: b.CreateString(name)}, {1: ("Uint32", buffer)}))
    return bytes(b.Output())


def _buffer(blob: bytes) -> bytes:
    b = flatbuffers.Builder(len(blob) + 64)
    b.StartVector(1, len(blob), 16)  # aligned as the schema requires
    b.head -= len(blob)
    b.Bytes[b.head : b.head + len(blob)] = blob
    b.Finish(table(b, {0: b.EndVector()}))
    return bytes(b.Output())


def _signature(signature: Signature, input_tensor: int, output_tensors: Sequence[int]) -> bytes:
    b = flatbuffers.Builder(256)

    def names(pairs: Iterable[tuple[str, int]]) -> int:
        return tables(b, [table(b, {0: b.CreateString(name)}, {1: ("Uint32", tensor)}) for name, tensor in pairs])

    inputs = names([(signature.input, input_tensor)])
    outputs = names(zip(signature.outputs, output_tensors, strict=True))
    b.Finish(table(b, {0: inputs, 1: outputs, 2: b.CreateString(signature.key)}))
    return bytes(b.Output())


class _OldRoot:
    """The absolute positions to which a model's root table points."""

    def __init__(self, flatbuffer: bytes) -> None:
        self._data = flatbuffer
        root = self._u32(0)
        vtable = root - struct.unpack_from("<i", flatbuffer, root)[0]
        slots = (struct.unpack_from("<H", flatbuffer, vtable)[0] - 4) // 2
        fields = struct.unpack_from(f"<{slots}H", flatbuffer, vtable + 4)
        positions = {slot: root + field for slot, field in enumerate(fields) if field}
        if any(slot >= _SLOTS for slot in positions):
            raise ExportError("the converter wrote a newer TFLite schema than this version of edgezoo knows")
        self.version = self._u32(positions[_VERSION])
        self.targets = {slot: p + self._u32(p) for slot, p in positions.items() if slot != _VERSION}
        self.buffers = self._vector(_BUFFERS)
        model = tflite.Model.GetRootAs(flatbuffer, 0)
        if any(model.Buffers(i).Offset() > 1 for i in range(model.BuffersLength())):
            raise ExportError("weights outside the flatbuffer (above 2 GB) are not supported")
        names = [model.Metadata(i).Name() for i in range(model.MetadataLength())]
        self.metadata = list(zip(self._vector(_METADATA), names, strict=True))
        graph = model.Subgraphs(0)
        self.input = int(graph.Inputs(0))
        """The tensor index of the input."""
        self.outputs = tuple(int(graph.Outputs(i)) for i in range(graph.OutputsLength()))
        """The tensor indexes of the outputs."""

    def _vector(self, slot: int) -> list[int]:
        if slot not in self.targets:
            return []
        start = self.targets[slot]
        return [p + self._u32(p) for p in range(start + 4, start + 4 + 4 * self._u32(start), 4)]

    def _u32(self, position: int) -> int:
        return int(struct.unpack_from("<I", self._data, position)[0])
