"""Makes a detector's ONNX graph decode its boxes itself, with `NonMaxSuppression`, and checks what it finds.

The operation finds as many objects as there are, and readers want outputs of a fixed size. So as many places as there
may be objects are added with a score of 0, and the best ones are taken of all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ExportError, VerificationError
from zoo.export.checking.calibration import Array
from zoo.export.checking.verify import load_for, run_all
from zoo.export.detectors import heads_of, stated_of
from zoo.export.onnx.boxes import CODED, OF_CLASSES, corners_of
from zoo.export.onnx.graph import with_shapes
from zoo.export.onnx.pixels import constant, rename
from zoo.export.tflite.nms import LEAST_SCORE
from zoo.system.quiet import quiet
from zoo.tasks import Task
from zoo.tasks.detection import LIMIT, Detecting
from zoo.tasks.objects.layout import OBJECTS, Heads, find

_CORNERS, _BEST = "corners", "best"


def append(
    proto: Any, path: Path, task: Task[Any], *, inputs: Array | None, asked: float
) -> tuple[Any, dict[str, Any]]:
    """Appends the operation to a model, and replaces its file.

    Args:
        proto: the `onnx.ModelProto` as it was checked against Keras.
        path: the file with it.
        task: of the model.
        inputs: pixels on which both files have to find the same; None to leave that out.
        asked: the least share of the objects, 0..1.

    Returns:
        The new model, and what its card says of it. Its outputs are boxes `(1, objects, 4)`, top, left, bottom, right
        as fractions of the input; classes and scores `(1, objects)`, best first; and `(1,)`, how many of them count.

    Raises:
        ExportError: the model has no boxes to decode.
        VerificationError: the operation finds other objects than the runner.
    """
    heads = heads_of(task)
    if heads is None or not isinstance(task, Detecting):
        raise ExportError(f"{proto.graph.name} has no boxes to decode")
    reference: tuple[Array, ...] = ()
    if inputs is not None:
        with quiet():
            reference = run_all(load_for(path, None), inputs, pixels=True)
    made = _decoding(proto, heads, task.iou)
    path.write_bytes(made.SerializeToString(deterministic=True))
    if inputs is not None:
        with quiet():
            session = load_for(path, None)
            outputs = run_all(session, inputs, pixels=True)
        found = replace(task, compared=find(session.file)).agreement(reference, outputs, least=LEAST_SCORE)
        if found.share < asked:
            raise VerificationError(
                f"{path.name} finds {found.share:.0%} of the objects only that the runner finds without nms='file', at "
                f"least {asked:.0%} are asked for (--min-agreement); it was not kept"
            )
    return made, {"nms": {"by": "file", "least_score": LEAST_SCORE, "limit": LIMIT, "iou": task.iou}}


def _decoding(proto: Any, heads: Heads, iou: float) -> Any:
    import onnx
    from onnx import TensorProto, helper

    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph, stated = made.graph, stated_of(heads)
    names = [one.name for one in graph.output]
    rename(graph, names[heads.boxes], CODED)
    rename(graph, names[heads.scores], OF_CLASSES)
    graph.node.extend(corners_of(graph, stated, _CORNERS))
    if stated.sigmoid:
        graph.node.append(helper.make_node("Sigmoid", [OF_CLASSES], ["probabilities"], name="probabilities"))
    scores = "probabilities" if stated.sigmoid else OF_CLASSES
    for op, read, written, options in _steps(graph, scores, len(stated.anchors), heads.columns, iou):
        graph.node.append(helper.make_node(op, read, written, name=written[-1], **options))
    del graph.output[:]
    shapes = ([1, LIMIT, 4], [1, LIMIT], [1, LIMIT], [1])
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(OBJECTS, shapes, strict=True)
    )
    return with_shapes(made)


def _steps(
    graph: Any, scores: str, anchors: int, classes: int, iou: float
) -> list[tuple[str, list[str], list[str], Any]]:
    """Returns the operations behind corners and scores: their inputs, outputs and attributes."""
    boxes, kinds, best, count = OBJECTS

    def whole(name: str, values: Any) -> str:
        return constant(graph, name, values, np.int64)

    limit, first, one, two = whole("limit", [LIMIT]), whole("first", [0]), whole("of_class", 1), whole("of_box", 2)
    chosen = [constant(graph, "iou", [iou]), constant(graph, "least_score", [LEAST_SCORE])]
    # One more anchor, without a score, for the places that no object takes.
    nothing = whole("nothing", np.tile([0, 0, anchors], (LIMIT, 1)))
    no_score, no_box = np.zeros((1, classes, 1)), np.zeros((1, 1, 4))
    return [
        ("Transpose", [scores], ["scores_by_class"], {"perm": [0, 2, 1]}),
        ("NonMaxSuppression", [_CORNERS, "scores_by_class", limit, *chosen], ["kept"], {}),
        ("Concat", ["kept", nothing], ["kept_or_nothing"], {"axis": 0}),
        ("Concat", ["scores_by_class", constant(graph, "no_score", no_score)], ["scores_or_0"], {"axis": 2}),
        ("Concat", [_CORNERS, constant(graph, "no_box", no_box)], ["corners_or_0"], {"axis": 1}),
        ("GatherND", ["scores_or_0", "kept_or_nothing"], ["kept_scores"], {}),
        ("TopK", ["kept_scores", limit], [_BEST, "best_places"], {"axis": 0}),
        ("Gather", ["kept_or_nothing", "best_places"], ["objects"], {"axis": 0}),
        ("Gather", ["objects", one], ["object_classes"], {"axis": 1}),
        ("Gather", ["objects", two], ["object_anchors"], {"axis": 1}),
        ("Gather", ["corners_or_0", "object_anchors"], ["object_corners"], {"axis": 1}),
        ("Gather", ["object_corners", whole("y_before_x", [1, 0, 3, 2])], [boxes], {"axis": 2}),
        ("Cast", ["object_classes"], ["object_classes_float"], {"to": 1}),
        ("Unsqueeze", ["object_classes_float", first], [kinds], {}),
        ("Unsqueeze", [_BEST, first], [best], {}),
        ("Greater", [_BEST, constant(graph, "no_object", 0.0)], ["there"], {}),
        ("Cast", ["there"], ["there_float"], {"to": 1}),
        ("ReduceSum", ["there_float", first], [count], {"keepdims": 1}),
    ]
