"""Writes how the boxes of a detector are coded, as `zoo.tflite.detectors` and MediaPipe's `ObjectDetector` read it.

The schema is the public `object_detector_metadata_schema.fbs`, identifier V001. Numbers are slots of its tables.
"""

from __future__ import annotations

import flatbuffers

from zoo.tflite.detectors import IDENTIFIER, NAME, Stated
from zoo.tflite.writing.front import table, tables

_VERSION = "1.0.0"


def custom_metadata(stated: Stated, classes: int) -> dict[str, bytes]:
    """Returns the custom metadata of a file whose boxes its readers decode, by name.

    Args:
        stated: anchors and coding.
        classes: the number of classes.
    """
    b = flatbuffers.Builder(64 * len(stated.anchors) + 1024)
    rows = [
        table(b, {}, {slot: ("Float32", value) for slot, value in enumerate((x, y, width, height))})
        for y, x, height, width in stated.anchors.tolist()
    ]
    anchors = table(b, {0: table(b, {0: tables(b, rows)})})
    y, x, height, width = stated.scales
    decoding = table(
        b,
        {},
        {
            0: ("Int32", classes),
            1: ("Int32", len(stated.anchors)),
            2: ("Int32", 4),
            5: ("Int32", 2),  # values of a keypoint, of which there are none
            6: ("Float32", x),
            7: ("Float32", y),
            8: ("Float32", width),
            9: ("Float32", height),
            10: ("Bool", stated.exponential),
            11: ("Bool", stated.sigmoid),
        },
    )
    b.Finish(table(b, {0: b.CreateString(_VERSION), 1: anchors, 2: decoding}), IDENTIFIER)
    return {NAME: bytes(b.Output())}
