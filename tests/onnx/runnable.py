"""Small ONNX files whose answers are known: the mean of each colour, of the whole picture or of the cells of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.detectors import ANCHORS, CELL, COLOURS, GRID, SIDE
from tests.onnx.nets import TensorProto, helper, model, save, value, weight
from zoo.onnx.card import props_of
from zoo.tasks.objects.boxes import Coding
from zoo.tflite.detectors import NAME, Stated
from zoo.tflite.writing.detector_writer import custom_metadata

CARD: dict[str, Any] = {
    "model": "colours",
    "task": "classification",
    "input": {"shape": [8, 8, 3], "values": "pixels 0..255"},
    "preprocessing": {"resize": "crop"},
    "classes": 3,
}


def described(card: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    """The properties of a file of this package, with the colours as labels."""
    return props_of(CARD | (card or {}), COLOURS, **more)


def colours(
    path: Path,
    *,
    batch: Any = 1,
    kind: int = TensorProto.FLOAT,
    sides: tuple[Any, Any] = (8, 8),
    last: str = "Softmax",
    props: dict[str, str] | None = None,
    output: Any = "as told",
) -> Path:
    """A classifier by the mean of each colour, with the channels first."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["real"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Mul", ["flat", "scale"], ["logits"]),
        helper.make_node(last, ["logits"], ["scores"]),
    ]
    shape = [batch, 3] if output == "as told" else output
    scale = [weight("scale", 1 / 50.0)]
    made = model(nodes, [value("pixels", [batch, 3, *sides], kind)], [value("scores", shape)], scale, props=props)
    return save(made, path)


def grid_metadata() -> dict[str, bytes]:
    """The anchors and the coding of the detectors in `tests.detectors`."""
    coding = Coding()
    scales = (coding.y_scale, coding.x_scale, coding.height_scale, coding.width_scale)
    return {NAME: custom_metadata(Stated(ANCHORS, scales, coding.exponential, False), len(COLOURS))[NAME]}


def grid(path: Path, *, props: dict[str, str] | None = None, swapped: bool = False) -> Path:
    """A detector like `tests.detectors.two_outputs`: each cell is an anchor, its scores those of its three colours."""
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Transpose", ["means"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "rows"], ["flat"]),
        helper.make_node("Mul", ["flat", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Mul", ["zeros", "one"], ["boxes"]),
    ]
    count = GRID * GRID
    weights = [
        weight("rows", [1, count, 3], np.int64),
        weight("scale", 16 / 255),
        weight("offset", -8.0),
        weight("zeros", np.zeros((1, count, 4))),
        weight("one", 1.0),
    ]
    outputs = [value("boxes", [1, count, 4]), value("scores", [1, count, 3])]
    if swapped:
        outputs.reverse()
    return save(model(nodes, [value("pixels", [1, 3, SIDE, SIDE])], outputs, weights, props=props), path)


def detector(path: Path, **options: Any) -> Path:
    """The same with labels, card and anchors."""
    card = {"task": "detection", "input": {"shape": [SIDE, SIDE, 3], "values": "pixels 0..255"}, "preprocessing": {}}
    return grid(path, props=described(card, metadata=grid_metadata()), **options)
