"""Writes labels and card into a `.tflite` file, as TFLite metadata.

The public schema is tflite-support's `metadata_schema.fbs` (file identifier M001): a flatbuffer in the buffer that
the model's metadata entry `TFLITE_METADATA` names, and the files it lists in a zip archive behind the model.
Android Studio, MediaPipe and the Task Library read that; the files alone need nothing but `zipfile`.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import flatbuffers
import tflite

from zoo.errors import ExportError
from zoo.runner import modelfile, normalization

ENTRY = normalization.ENTRY.encode()

# Enum values and union types of metadata_schema.fbs.
_AXIS_LABELS = 2  # AssociatedFileType.TENSOR_AXIS_LABELS
_RGB, _GRAYSCALE = 1, 2  # ColorSpaceType
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions.NormalizationOptions
_MIN_PARSER_VERSION = "1.0.0"


@dataclass(frozen=True)
class Tags:
    """What is said of a file beside its labels and card."""

    name: str
    description: str
    author: str
    license: str
    image_shape: tuple[int, int, int] | None
    """(height, width, channels), or None where the input is no picture."""


def with_metadata(flatbuffer: bytes, tags: Tags, *, labels_file: str, other_files: Sequence[str] = ()) -> bytes:
    """Returns the model with a metadata buffer that announces the files to be appended by `append_files`."""
    return _prepend_root(flatbuffer, _metadata(tags, labels_file, other_files))


def without_files(content: bytes) -> bytes:
    """A model file without the archive at its end, if there is one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        return content
    return content[: min(entry.header_offset for entry in entries)] if entries else content


def append_files(path: Path, files: dict[str, str]) -> None:
    """Appends `files` (name -> text) to a model file as a zip archive, uncompressed as readers expect."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            # A fixed date: the same model gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.encode("utf-8"))


def _metadata(tags: Tags, labels_file: str, other_files: Sequence[str]) -> bytes:
    """The flatbuffer `ModelMetadata`. Numbers are the slots of its tables in metadata_schema.fbs."""
    b = flatbuffers.Builder(1024)

    def associated_file(name: str, kind: int = 0) -> int:
        return _table(b, {0: b.CreateString(name)}, {2: ("Int8", kind)})

    labels = associated_file(labels_file, _AXIS_LABELS)
    if tags.image_shape is None:
        content = _table(b, {1: _table(b)}, {0: ("Uint8", _FEATURE_PROPERTIES)})
        input_text = "values as they were in training"
    else:
        height, width, channels = tags.image_shape
        size = _table(b, {}, {0: ("Uint32", width), 1: ("Uint32", height)})
        properties = _table(b, {1: size}, {0: ("Int8", _GRAYSCALE if channels == 1 else _RGB)})
        content = _table(b, {1: properties}, {0: ("Uint8", _IMAGE_PROPERTIES)})
        input_text = "raw pixels 0..255"
    # Readers insist on a normalization for float inputs: raw pixels in means mean 0 and std 1.
    options = _table(b, {0: _floats(b, 0.0), 1: _floats(b, 1.0)})
    process = _table(b, {1: options}, {0: ("Uint8", _NORMALIZATION)})
    input_tensor = _table(
        b,
        {0: b.CreateString("input"), 1: b.CreateString(input_text), 3: content, 4: _tables(b, [process])},
    )
    scores = _table(b, {1: _table(b)}, {0: ("Uint8", _FEATURE_PROPERTIES)})
    output_tensor = _table(
        b,
        {0: b.CreateString("scores"), 1: b.CreateString("one a class"), 3: scores, 6: _tables(b, [labels])},
    )
    subgraph = _table(b, {2: _tables(b, [input_tensor]), 3: _tables(b, [output_tensor])})
    root = _table(
        b,
        {
            0: b.CreateString(tags.name),
            1: b.CreateString(tags.description),
            3: _tables(b, [subgraph]),
            4: b.CreateString(tags.author),
            5: b.CreateString(tags.license),
            6: _tables(b, [associated_file(name) for name in other_files]),
            7: b.CreateString(_MIN_PARSER_VERSION),
        },
    )
    b.Finish(root, normalization.IDENTIFIER)
    return bytes(b.Output())


def _table(
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


def _tables(b: flatbuffers.Builder, tables: Sequence[int]) -> int:
    b.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        b.PrependUOffsetTRelative(table)
    return int(b.EndVector())


def _floats(b: flatbuffers.Builder, *values: float) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return int(b.EndVector())


def _prepend_root(flatbuffer: bytes, blob: bytes) -> bytes:
    """Puts a new root table, which also names `blob` as metadata, in front of a model.

    Offsets in a flatbuffer are relative and point forward, so the old content stays valid behind the new
    root, and the new root can point into it. The model's bytes are not touched: repacking them instead
    would hold the weights several times in memory and lose their 16-byte alignment.
    """
    old = _OldRoot(flatbuffer)
    entries = [position for position, name in old.metadata if name != ENTRY]
    # Everything new is a few dozen bytes a buffer: its size is known before it is laid out.
    new = bytearray(_HEADER_BYTES + 4 * (2 + len(old.buffers) + 1 + len(entries) + 1))
    at_buffers = _HEADER_BYTES
    at_metadata = at_buffers + 4 * (1 + len(old.buffers) + 1)
    at_entry = _table_at(new, slots=2)
    at_name = _bytes_at(new, ENTRY + b"\0", length=len(ENTRY), align=4)
    at_buffer = _table_at(new, slots=1)
    at_blob = _bytes_at(new, blob, length=len(blob), align=16)
    new.extend(b"\0" * (-len(new) % 16))
    shift = len(new)

    def point(position: int, target: int) -> None:
        struct.pack_into("<I", new, position, target - position)

    def vector(position: int, targets: Sequence[int]) -> None:
        struct.pack_into("<I", new, position, len(targets))
        for i, target in enumerate(targets, start=1):
            point(position + 4 * i, target)

    point(0, _ROOT)
    new[4:8] = modelfile.IDENTIFIER
    struct.pack_into("<HH", new, 8, 4 + 2 * _MODEL_SLOTS, 4 + 4 * _MODEL_SLOTS)
    struct.pack_into("<i", new, _ROOT, _ROOT - 8)
    for slot in range(_MODEL_SLOTS):
        position = _ROOT + 4 + 4 * slot
        if slot == _VERSION:
            struct.pack_into("<I", new, position, old.version)
        elif slot == _BUFFERS:
            point(position, at_buffers)
        elif slot == _METADATA:
            point(position, at_metadata)
        elif slot in old.targets:
            point(position, old.targets[slot] + shift)
        else:
            continue
        struct.pack_into("<H", new, 12 + 2 * slot, 4 + 4 * slot)
    vector(at_buffers, [position + shift for position in old.buffers] + [at_buffer])
    vector(at_metadata, [position + shift for position in entries] + [at_entry])
    point(at_entry + 4, at_name)
    struct.pack_into("<I", new, at_entry + 8, len(old.buffers))
    point(at_buffer + 4, at_blob)
    return bytes(new) + flatbuffer


# Slots of the table `Model` in TensorFlow's schema.fbs; each holds four bytes.
_VERSION, _OPERATOR_CODES, _SUBGRAPHS, _DESCRIPTION, _BUFFERS, _METADATA_BUFFER, _METADATA, _SIGNATURES = range(8)
_MODEL_SLOTS = 8
_ROOT = 8 + 4 + 2 * _MODEL_SLOTS
_HEADER_BYTES = _ROOT + 4 + 4 * _MODEL_SLOTS


class _OldRoot:
    """Where a model's root table points to: absolute positions."""

    def __init__(self, flatbuffer: bytes) -> None:
        self._data = flatbuffer
        root = self._u32(0)
        vtable = root - struct.unpack_from("<i", flatbuffer, root)[0]
        slots = (struct.unpack_from("<H", flatbuffer, vtable)[0] - 4) // 2
        fields = struct.unpack_from(f"<{slots}H", flatbuffer, vtable + 4)
        positions = {slot: root + field for slot, field in enumerate(fields) if field}
        if any(slot >= _MODEL_SLOTS for slot in positions):
            raise ExportError("the converter wrote a newer TFLite schema than this version of edgezoo knows")
        self.version = self._u32(positions[_VERSION])
        self.targets = {slot: p + self._u32(p) for slot, p in positions.items() if slot != _VERSION}
        self.buffers = self._vector(_BUFFERS)
        model = tflite.Model.GetRootAs(flatbuffer, 0)
        if any(model.Buffers(i).Offset() > 1 for i in range(model.BuffersLength())):
            raise ExportError("weights outside the flatbuffer (above 2 GB) are not supported")
        names = [model.Metadata(i).Name() for i in range(model.MetadataLength())]
        self.metadata = list(zip(self._vector(_METADATA), names, strict=True))

    def _vector(self, slot: int) -> list[int]:
        if slot not in self.targets:
            return []
        start = self.targets[slot]
        return [p + self._u32(p) for p in range(start + 4, start + 4 + 4 * self._u32(start), 4)]

    def _u32(self, position: int) -> int:
        return int(struct.unpack_from("<I", self._data, position)[0])


def _table_at(data: bytearray, slots: int) -> int:
    """Appends a vtable and a zeroed table whose slots hold four bytes each; returns the table's position."""
    data.extend(b"\0" * (-len(data) % 4))
    start = len(data)
    data.extend(struct.pack(f"<{2 + slots}H", 4 + 2 * slots, 4 + 4 * slots, *(4 + 4 * i for i in range(slots))))
    data.extend(b"\0" * (-len(data) % 4))
    table = len(data)
    data.extend(struct.pack("<i", table - start) + b"\0" * (4 * slots))
    return table


def _bytes_at(data: bytearray, content: bytes, *, length: int, align: int) -> int:
    """Appends a byte vector (or string) whose content is aligned; returns its position."""
    data.extend(b"\0" * (-(len(data) + 4) % align))
    position = len(data)
    data.extend(struct.pack("<I", length) + content)
    return position
