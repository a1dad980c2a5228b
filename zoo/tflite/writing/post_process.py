"""Appends the operation `TFLite_Detection_PostProcess` to a finished detector: it decodes boxes and drops doubled ones.

The operation takes the best class of each anchor, and boxes of all classes as rivals. It is part of LiteRT,
tflite-runtime, MediaPipe and the Task Library. It takes float32 only: quantized boxes it reads as zeros, without an
error. Numbers are slots of the tables of TensorFlow's schema.fbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from flatbuffers import flexbuffers

from zoo.errors import ExportError
from zoo.tflite.modelfile import CUSTOM_OP, POST_PROCESS
from zoo.tflite.writing.front import BUFFERS, OPERATOR_CODES, SUBGRAPHS, Front, Writer, aligned_bytes, integers, table

OUTPUTS = ("boxes", "classes", "scores", "count")
"""The outputs of the operation, in the order in which its kernel writes them and everybody expects them."""
_FLOAT32 = 0  # TensorType
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class PostProcess:
    """How the operation decodes boxes, and which objects it leaves."""

    anchors: npt.NDArray[np.float32]
    """`(anchors, 4)`: centre y, centre x, height, width, as fractions of the input."""
    scales: tuple[float, float, float, float]
    """By what y, x, height and width are divided."""
    classes: int
    limit: int
    """The most objects."""
    least_score: float
    """The least score of an object."""
    iou: float
    """The overlap above which the worse of two boxes is left out, of whatever class they are."""

    @property
    def options(self) -> bytes:
        """The options of the operation, as its kernel reads them."""
        y, x, height, width = self.scales
        whole = {
            "max_detections": self.limit,
            "max_classes_per_detection": 1,
            "detections_per_class": self.limit,
            "num_classes": self.classes,
        }
        real = {
            "nms_score_threshold": self.least_score,
            "nms_iou_threshold": self.iou,
            "y_scale": y,
            "x_scale": x,
            "h_scale": height,
            "w_scale": width,
        }
        b = flexbuffers.Builder()
        with b.Map():
            for name, number in whole.items():
                b.Int(name, number)
            for name, value in real.items():
                b.Float(name, value)
            # Switched on, it would go class by class, and with two threads never look at the third class, with four
            # never at the fifth: the kernels of LiteRT 2.3 and tflite-runtime 2.14 skip one after the first round.
            b.Bool("use_regular_nms", False)
        return bytes(b.Finish())


def with_post_process(flatbuffer: bytes, boxes: int, scores: int, added: PostProcess) -> bytes:
    """Returns the model with the operation at its end.

    Args:
        flatbuffer: a model with one graph and two float32 outputs.
        boxes: the place of the coded boxes among the outputs.
        scores: the place of the scores.
        added: the operation.

    Raises:
        ExportError: an output is quantized, or the model has several graphs.
    """
    front = Front(flatbuffer)
    root, graph = front.root, front.root.graph
    if root.model.SubgraphsLength() != 1:
        raise ExportError(
            f"the model has {root.model.SubgraphsLength()} graphs; only one of one graph gets {POST_PROCESS}"
        )
    heads = [int(graph.Outputs(place)) for place in (boxes, scores)]
    if any(graph.Tensors(head).Type() != _FLOAT32 for head in heads):
        raise ExportError(f"{POST_PROCESS} reads quantized boxes as zeros; export with float32 outputs (io='float32')")
    fields = root.fields(root.members(SUBGRAPHS)[0].position)
    tensors, operators = (root.tables(root.target(fields[slot]).position) for slot in (_TENSORS, _OPERATORS))
    buffers, codes = root.members(BUFFERS), root.members(OPERATOR_CODES)
    first = len(tensors)
    shapes = ((1, added.limit, 4), (1, added.limit), (1, added.limit), (1,))
    made = [
        front.embed(_tensor("anchors", added.anchors.shape, len(buffers))),
        *(front.embed(_tensor(name, shape, 0)) for name, shape in zip(OUTPUTS, shapes, strict=True)),
    ]
    outputs = range(first + 1, first + 1 + len(OUTPUTS))
    operator = front.embed(_operator(len(codes), [*heads, first], outputs, added.options))
    code = front.embed(
        lambda b: table(
            b, {1: b.CreateString(POST_PROCESS)}, {0: ("Int8", CUSTOM_OP), 2: ("Int32", 1), 3: ("Int32", CUSTOM_OP)}
        )
    )
    buffer = front.embed(lambda b: table(b, {0: aligned_bytes(b, np.asarray(added.anchors, "<f4").tobytes())}))
    kept = {slot: root.target(position) for slot, position in fields.items() if slot in {_INPUTS, 4}}
    changed = front.table(
        kept
        | {
            _TENSORS: front.vector([*tensors, *made]),
            _OUTPUTS: front.numbers(outputs),
            _OPERATORS: front.vector([*operators, operator]),
        }
    )
    return front.finish(
        {
            OPERATOR_CODES: front.vector([*codes, code]),
            SUBGRAPHS: front.vector([changed]),
            BUFFERS: front.vector([*buffers, buffer]),
        }
    )


def _tensor(name: str, shape: Sequence[int], buffer: int) -> Writer:
    return lambda b: table(
        b, {0: integers(b, shape), 3: b.CreateString(name)}, {1: ("Int8", _FLOAT32), 2: ("Uint32", buffer)}
    )


def _operator(code: int, inputs: Sequence[int], outputs: Sequence[int], options: bytes) -> Writer:
    return lambda b: table(
        b,
        {1: integers(b, inputs), 2: integers(b, outputs), 5: b.CreateByteVector(options)},
        {0: ("Uint32", code)},
    )
