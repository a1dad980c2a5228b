"""Reads from the TFLite metadata of detectors how their boxes are coded.

MediaPipe's `ObjectDetector`, and Model Maker, which makes files for it, keep that in the custom metadata
`DETECTOR_METADATA`: a flatbuffer of the public schema `object_detector_metadata_schema.fbs`, identifier V001. Numbers
below are slots of its tables and of those of `metadata_schema.fbs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ModelFileError
from zoo.tflite.flatbuffer import Reader, Table
from zoo.tflite.modelfile import MAX_ENTRIES, ModelFile
from zoo.tflite.normalization import ENTRY
from zoo.tflite.normalization import IDENTIFIER as METADATA_IDENTIFIER

NAME = "DETECTOR_METADATA"
"""Name of the custom metadata."""
IDENTIFIER = b"V001"
"""File identifier of the flatbuffer in it."""
MAX_ANCHORS = 1 << 17
"""The most anchors of a file; detectors for boards have some thousands."""


@dataclass(frozen=True, eq=False)
class Stated:
    """What a file's metadata says of its boxes."""

    anchors: npt.NDArray[Any]
    """`(anchors, 4)` float32: centre y, centre x, height, width, as fractions of the input."""
    scales: tuple[float, float, float, float]
    """By what y, x, height and width are divided."""
    exponential: bool
    """Whether height and width are logarithms."""
    sigmoid: bool
    """Whether the scores still need a sigmoid."""


def stated(file: ModelFile) -> Stated | None:
    """Returns what a file's metadata says of its boxes; None if it says nothing.

    Raises:
        ModelFileError: the metadata is damaged.
    """
    try:
        blob = _custom(file)
        return None if blob is None else _read(blob)
    except ModelFileError as error:
        raise ModelFileError(f"{file.path} has damaged metadata: {error}") from error


def _custom(file: ModelFile) -> bytes | None:
    if NAME in file.metadata:  # an .onnx file has it beside its card
        return file.metadata[NAME]
    blob = file.metadata.get(ENTRY)
    if not blob:
        return None
    for subgraph in Reader(blob).root(METADATA_IDENTIFIER).tables(3, "graphs", MAX_ENTRIES):
        for entry in subgraph.tables(9, "custom metadata", MAX_ENTRIES):
            if entry.text(0) == NAME:
                return bytes(entry.array(1, "u1", "bytes of custom metadata", len(blob)))
    return None


def _read(blob: bytes) -> Stated:
    root = Reader(blob).root(IDENTIFIER)
    options, decoding = root.table(1), root.table(2)
    schema = options.table(0) if options is not None else None
    if schema is None or decoding is None:
        raise ModelFileError("it names no anchors, or not how boxes are coded")
    anchors = np.array([_anchor(table) for table in schema.tables(0, "anchors", MAX_ANCHORS)], np.float32)
    anchors = anchors.reshape(-1, 4)
    scales = (decoding.real(7), decoding.real(6), decoding.real(9), decoding.real(8))
    if not np.isfinite(anchors).all() or not np.isfinite(scales).all() or not all(scales):
        raise ModelFileError(f"its anchors or scales are no numbers to divide by: scales {scales}")
    return Stated(anchors, scales, bool(decoding.number(10, "B")), bool(decoding.number(11, "B")))


def _anchor(table: Table) -> tuple[float, float, float, float]:
    return table.real(1), table.real(0), table.real(3), table.real(2)
