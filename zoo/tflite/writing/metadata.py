"""Writes labels and card into a `.tflite` file, as TFLite metadata.

The public schema is tflite-support's `metadata_schema.fbs` (file identifier M001): a flatbuffer in the buffer that
the model's metadata entry `TFLITE_METADATA` names, and the files it lists in a zip archive behind the model.
Android Studio, MediaPipe and the Task Library read that; the files alone need nothing but `zipfile`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import flatbuffers

from zoo.tflite.normalization import ENTRY, IDENTIFIER
from zoo.tflite.writing.front import aligned_bytes, integers, table, tables
from zoo.tflite.writing.prepend import prepend_root
from zoo.tflite.writing.tags import OutputTag, Tags

# Enum values and union types of metadata_schema.fbs.
_LABELS = {"entries": 2, "values": 3}  # AssociatedFileType.TENSOR_AXIS_LABELS, TENSOR_VALUE_LABELS
_RGB, _GRAYSCALE = 1, 2  # ColorSpaceType
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES, _BOX_PROPERTIES = 1, 2, 3  # ContentProperties
_BOUNDARIES = 1  # BoundingBoxType; the CoordinateType RATIO is 0, the default
_NORMALIZATION = 1  # ProcessUnitOptions.NormalizationOptions
# The versions of the schema that brought groups of outputs, and metadata of other formats.
_MIN_PARSER_VERSION, _WITH_GROUPS, _WITH_CUSTOM = "1.0.0", "1.2.0", "1.5.0"


def with_metadata(flatbuffer: bytes, tags: Tags, *, labels_file: str, other_files: Sequence[str] = ()) -> bytes:
    """Returns the model with a signature, and a metadata buffer that announces the files `append_files` will append."""
    return prepend_root(flatbuffer, ENTRY, _metadata(tags, labels_file, other_files), tags.signature)


def without_files(content: bytes) -> bytes:
    """Returns a model file's bytes without the archive at its end, if there is one."""
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
            # The date is fixed, so that the same model gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.encode("utf-8"))


def _metadata(tags: Tags, labels_file: str, other_files: Sequence[str]) -> bytes:
    """Returns the flatbuffer `ModelMetadata`. Numbers are the slots of its tables in metadata_schema.fbs."""
    b = flatbuffers.Builder(1024)

    def associated_file(name: str, kind: int = 0) -> int:
        return table(b, {0: b.CreateString(name)}, {2: ("Int8", kind)})

    def output_tensor(tag: OutputTag) -> int:
        offsets = {0: b.CreateString(tag.name), 1: b.CreateString(tag.description), 3: _output_content(b, tag)}
        if tag.has_labels:
            offsets[6] = tables(b, [associated_file(labels_file, _LABELS[tag.labels_are])])
        return table(b, offsets)

    if tags.image_shape is None:
        content = table(b, {1: table(b)}, {0: ("Uint8", _FEATURE_PROPERTIES)})
        input_text = "values as they were in training"
    else:
        height, width, channels = tags.image_shape
        size = table(b, {}, {0: ("Uint32", width), 1: ("Uint32", height)})
        properties = table(b, {1: size}, {0: ("Int8", _GRAYSCALE if channels == 1 else _RGB)})
        content = table(b, {1: properties}, {0: ("Uint8", _IMAGE_PROPERTIES)})
        input_text = "raw pixels 0..255"
    # Readers require a normalization for float inputs; raw pixels mean a mean of 0 and a std of 1.
    options = table(b, {0: _floats(b, 0.0), 1: _floats(b, 1.0)})
    process = table(b, {1: options}, {0: ("Uint8", _NORMALIZATION)})
    input_tensor = table(
        b,
        {0: b.CreateString("input"), 1: b.CreateString(input_text), 3: content, 4: tables(b, [process])},
    )
    outputs = [output_tensor(tag) for tag in tags.outputs]
    subgraph = table(b, {2: tables(b, [input_tensor]), 3: tables(b, outputs)} | _additions(b, tags))
    root = table(
        b,
        {
            0: b.CreateString(tags.name),
            1: b.CreateString(tags.description),
            3: tables(b, [subgraph]),
            4: b.CreateString(tags.author),
            5: b.CreateString(tags.license),
            6: tables(b, [associated_file(name) for name in other_files]),
            7: b.CreateString(_least_version(tags)),
        },
    )
    b.Finish(root, IDENTIFIER)
    return bytes(b.Output())


def _output_content(b: flatbuffers.Builder, tag: OutputTag) -> int:
    """Writes what an output holds: boxes as fractions of the picture, or values of any kind."""
    if tag.corners is None:
        return table(b, {1: table(b)}, {0: ("Uint8", _FEATURE_PROPERTIES)})
    boxes = table(b, {0: integers(b, tag.corners)}, {1: ("Int8", _BOUNDARIES)})
    return table(b, {1: boxes}, {0: ("Uint8", _BOX_PROPERTIES)})


def _additions(b: flatbuffers.Builder, tags: Tags) -> dict[int, int]:
    """Writes groups of outputs, and metadata of other formats; returns their offsets by slot of `SubGraphMetadata`."""
    found = {}
    groups = dict.fromkeys(tag.group for tag in tags.outputs if tag.group)
    if groups:
        made = []
        for group in groups:
            members = [b.CreateString(tag.name) for tag in tags.outputs if tag.group == group]
            made.append(table(b, {0: b.CreateString(group), 1: tables(b, members)}))
        found[8] = tables(b, made)
    if tags.custom:
        made = []
        for name, blob in tags.custom.items():
            made.append(table(b, {0: b.CreateString(name), 1: aligned_bytes(b, blob)}))
        found[9] = tables(b, made)
    return found


def _least_version(tags: Tags) -> str:
    """Returns the oldest version of the schema whose readers know all that is written."""
    if tags.custom:
        return _WITH_CUSTOM
    return _WITH_GROUPS if any(tag.group for tag in tags.outputs) else _MIN_PARSER_VERSION


def _floats(b: flatbuffers.Builder, *values: float) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return int(b.EndVector())
