"""Decodes a detector's boxes in its ONNX graph, and gives its scores a column of the background."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.export.onnx.pixels import constant, rename
from zoo.tflite.detectors import Stated

CODED, OF_CLASSES = "boxes_coded", "scores_of_classes"
"""What the outputs of the model itself are called behind it."""


def decode_boxes(model: Any, stated: Stated, boxes: str, scores: str) -> None:
    """Changes a model in place: its boxes become corners, and its scores begin with one of the background.

    The outputs are `scores` (1, anchors, 1 + classes), of which the first is 1 less the best of the others, and `boxes`
    (1, anchors, 4): left, top, right and bottom as fractions of the input.

    Args:
        model: an `onnx.ModelProto` of opset 13 with two outputs, for one picture.
        stated: its anchors, and how its boxes are coded.
        boxes: the output with the coded boxes, (1, anchors, 4).
        scores: the output with the scores, (1, anchors, classes).
    """
    from onnx import TensorProto, helper

    graph = model.graph
    sizes = {one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in graph.output}
    (_, anchors, classes) = sizes[scores]
    rename(graph, boxes, CODED)
    rename(graph, scores, OF_CLASSES)
    graph.node.extend(corners_of(graph, stated, "boxes"))
    if stated.sigmoid:
        graph.node.append(helper.make_node("Sigmoid", [OF_CLASSES], ["probabilities"], name="probabilities"))
    graph.node.extend(_with_background(graph, "probabilities" if stated.sigmoid else OF_CLASSES))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, anchors, classes + 1]))
    graph.output.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, anchors, 4]))


def corners_of(graph: Any, stated: Stated, name: str) -> list[Any]:
    """Returns the nodes that make corners, called `name`, of the boxes called `CODED`: left, top, right and bottom."""
    from onnx import helper

    # Anchors and codes are y, x, height, width; corners are x before y.
    y, x, height, width = np.asarray(stated.anchors, np.float64).T
    y_scale, x_scale, height_scale, width_scale = stated.scales
    middle, sides = np.stack((x, y), axis=-1)[np.newaxis], np.stack((width, height), axis=-1)[np.newaxis]
    reach, growth = sides / np.array([x_scale, y_scale]), 1 / np.array([width_scale, height_scale])
    order = constant(graph, "x_before_y", [1, 0, 3, 2], np.int64)
    axis = constant(graph, "box_axis", [2], np.int64)
    ends = [constant(graph, f"box_{at}", [at], np.int64) for at in (0, 2, 4)]
    step = [
        ("Gather", [CODED, order], "boxes_x_first", {"axis": 2}),
        ("Slice", ["boxes_x_first", ends[0], ends[1], axis], "box_shift", {}),
        ("Slice", ["boxes_x_first", ends[1], ends[2], axis], "box_growth", {}),
        ("Mul", ["box_shift", constant(graph, "anchor_reach", reach)], "box_moved", {}),
        ("Add", ["box_moved", constant(graph, "anchor_middle", middle)], "box_middle", {}),
        ("Mul", ["box_growth", constant(graph, "growth_scale", growth)], "grown", {}),
        *([("Exp", ["grown"], "times", {})] if stated.exponential else []),
        (
            "Mul",
            ["times" if stated.exponential else "grown", constant(graph, "anchor_half", sides / 2)],
            "box_half",
            {},
        ),
        ("Sub", ["box_middle", "box_half"], "box_left_top", {}),
        ("Add", ["box_middle", "box_half"], "box_right_bottom", {}),
        ("Concat", ["box_left_top", "box_right_bottom"], name, {"axis": 2}),
    ]
    return [helper.make_node(op, inputs, [out], name=out, **options) for op, inputs, out, options in step]


def _with_background(graph: Any, scores: str) -> list[Any]:
    from onnx import helper

    return [
        helper.make_node("ReduceMax", [scores], ["best_score"], name="best_score", axes=[2], keepdims=1),
        helper.make_node("Sub", [constant(graph, "certain", 1.0), "best_score"], ["background"], name="background"),
        helper.make_node("Concat", ["background", scores], ["scores"], name="scores", axis=2),
    ]
