"""Finds out how the outputs of a detector are arranged: by operations, metadata, and names of outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from zoo.inputs.preprocessing import PictureShape, picture_shape
from zoo.tasks.objects.boxes import Coding, make_anchors, paper_shapes
from zoo.tasks.task import Array
from zoo.text import count_of, plural
from zoo.tflite import detectors
from zoo.tflite.modelfile import POST_PROCESS, Graph, ModelFile, Op
from zoo.tflite.scores import are_probabilities

BOXES, SCORES = "boxes", "scores"
"""The outputs of a file of this package."""
OBJECTS = ("boxes", "classes", "scores", "count")
"""The outputs of an `.onnx` file of this package that decodes its boxes itself, with `NON_MAX_SUPPRESSION`."""
NON_MAX_SUPPRESSION = "NonMaxSuppression"
RAW_BOXES, RAW_SCORES = "raw_outputs/box_encodings", "raw_outputs/class_predictions"
"""The outputs of a file that the Object Detection API exported without that operation."""
PAPER_LEVELS = 6
"""The number of levels of the API's SSD; the first has a stride of 16 pixels, each further one twice the stride."""

_FOLLOWED = frozenset({"CAST", "DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE"})


@dataclass(frozen=True, eq=False)
class Heads:
    """Two outputs: a coded box for each anchor, and the scores of its classes."""

    boxes: int
    """Place of the boxes among the outputs."""
    scores: int
    """Place of the scores among the outputs."""
    anchors: Array
    """`(anchors, 4)` float32, see `zoo.tasks.objects.boxes`."""
    coding: Coding
    sigmoid: bool
    """Whether the scores still need a sigmoid."""
    columns: int
    """Number of scores of each anchor."""
    has_background: bool
    """Whether the first of them is that of the background."""
    note: str = ""
    """What is assumed of the file, as the rest of a sentence about it."""
    leaves_overlaps: bool = True
    """Whether boxes that overlap are still to be left out."""

    @property
    def origin(self) -> str:
        """Where boxes come from, in words."""
        coding = self.coding
        by = (coding.y_scale, coding.x_scale, coding.height_scale, coding.width_scale)
        scales = ", ".join(f"{scale:g}" for scale in by)
        sizes = "logarithms" if coding.exponential else "multiples"
        scores = ", and scores before the sigmoid" if self.sigmoid else ""
        return (
            f"one for each of {len(self.anchors):,} {plural(len(self.anchors), 'anchor')}, coded as "
            f"in SSD (scales {scales}, "
            f"sizes as {sizes}){scores}; decoded by the runner"
        )


@dataclass(frozen=True)
class Finished:
    """Four outputs of objects that are decoded already, and how many of them count."""

    boxes: int
    classes: int
    scores: int
    count: int
    columns: int
    """Number of scores of each anchor in the graph; the background may be among them."""
    most: int
    """The most objects of one picture."""
    note: str = ""
    leaves_overlaps: bool = False
    by: str = POST_PROCESS
    """The operation that decodes them."""

    @property
    def origin(self) -> str:
        """Where boxes come from, in words."""
        return f"at most {self.most:,}, decoded in the file by {self.by}"


Layout = Heads | Finished


class Found(NamedTuple):
    """How the outputs of a file are arranged, or why that cannot be told."""

    layout: Layout | None
    fault: str
    """Why its boxes cannot be decoded, as the rest of a sentence; empty if they can."""
    picture: PictureShape | None
    """How the input takes pictures."""


def looks_like(file: ModelFile) -> bool:
    """Whether the outputs of a file are those of a detector, whose boxes may or may not be decodable."""
    graph = file.main
    if any(op.custom and op.name == POST_PROCESS for op in graph.ops) or _suppressed(graph) is not None:
        return True
    shapes = [graph.tensors[i].shape for i in graph.outputs]
    if len(shapes) == 1:  # boxes and scores in one tensor, as YOLO's exports have them
        return len(shapes[0]) == 3 and min(shapes[0][1:]) >= 5 and max(shapes[0][1:]) >= 256
    return len(shapes) == 2 and all(len(one) == 3 for one in shapes) and shapes[0][1] == shapes[1][1]


def find(file: ModelFile) -> Found:
    """Returns how the outputs of a file are arranged.

    Raises:
        ModelFileError: the metadata is damaged.
    """
    graph = file.main
    shape = graph.tensors[graph.inputs[0]].shape if graph.inputs else ()
    picture = picture_shape(shape[1:])
    shapes = [graph.tensors[i].shape for i in graph.outputs]
    shown = ", ".join(map(str, shapes[:8])) + (", ..." if len(shapes) > 8 else "")
    if picture is None:
        return Found(None, f"its input {shape} is no picture", None)
    finished = _finished(graph) or _suppressed(graph)
    if finished is not None:
        return Found(finished, "", picture)
    if len(shapes) != 2 or any(len(one) != 3 for one in shapes) or shapes[0][1] != shapes[1][1]:
        lacks = f"neither (batch, anchors, 4) with (batch, anchors, classes) nor those of {POST_PROCESS}"
        return Found(None, f"its outputs are {shown}, {lacks}", picture)
    layout, fault = _heads(file, picture)
    return Found(layout, fault, picture)


def _finished(graph: Graph) -> Finished | None:
    """The places of the operation's four outputs, whatever their order in the file is and whatever follows them."""
    makers = {made: op for op in graph.ops for made in op.outputs}
    places: dict[int, int] = {}
    scores: tuple[int, ...] = ()
    for place, output in enumerate(graph.outputs):
        op, index = _followed(makers, output)
        if op is not None and op.custom and op.name == POST_PROCESS:
            places[op.outputs.index(index)] = place
            scores = graph.tensors[op.inputs[1]].shape if len(op.inputs) > 1 and op.inputs[1] >= 0 else ()
    if set(places) != {0, 1, 2, 3} or not scores:
        return None
    boxes = graph.tensors[graph.outputs[places[0]]].shape
    return Finished(places[0], places[1], places[2], places[3], scores[-1], math.prod(boxes) // 4)


def _suppressed(graph: Graph) -> Finished | None:
    """The places of the four outputs of an `.onnx` file that decodes its boxes itself."""
    names = [graph.tensors[i].name for i in graph.outputs]
    op = next((op for op in graph.ops if op.name == NON_MAX_SUPPRESSION), None)
    if op is None or sorted(names) != sorted(OBJECTS) or len(op.inputs) < 2 or op.inputs[1] < 0:
        return None
    scores = graph.tensors[op.inputs[1]].shape
    boxes, classes, best, count = (names.index(name) for name in OBJECTS)
    most = math.prod(graph.tensors[graph.outputs[classes]].shape)
    return Finished(boxes, classes, best, count, scores[1], most, by=op.name) if len(scores) == 3 else None


def _followed(makers: dict[int, Op], index: int) -> tuple[Op | None, int]:
    """Follows a tensor upwards over operations that only change its type or shape."""
    for _ in range(8):
        op = makers.get(index)
        if op is None or op.name not in _FOLLOWED or not op.inputs or op.inputs[0] < 0:
            return op, index
        index = op.inputs[0]
    return None, index


def _heads(file: ModelFile, picture: PictureShape) -> tuple[Heads | None, str]:
    graph = file.main
    tensors = [graph.tensors[i] for i in graph.outputs]
    known = detectors.stated(file)
    names = [tensor.name.split(":")[0] for tensor in tensors]
    raw = set(names) == {RAW_BOXES, RAW_SCORES}
    four = [place for place, tensor in enumerate(tensors) if tensor.shape[2] == 4]
    boxes = names.index(RAW_BOXES) if raw else _boxes_place(file, names, four)
    if boxes is None:
        return None, f"its outputs are {tensors[0].shape}, {tensors[1].shape}, of which none is boxes of four numbers"
    scores = 1 - boxes
    count, columns = tensors[scores].shape[1:]
    sigmoid = not are_probabilities(graph, graph.outputs[scores])
    if known is not None:
        if len(known.anchors) != count:
            return None, f"its metadata has {count_of(len(known.anchors), 'anchor')} for {count_of(count, 'box')}"
        coding = Coding(*known.scales, exponential=known.exponential)
        return Heads(boxes, scores, known.anchors, coding, known.sigmoid, columns, False), ""
    anchors = _paper_anchors(picture) if raw else None
    if anchors is None or len(anchors) != count:
        return None, f"the anchors of its {count} boxes are not in the file"
    note = "does not hold its anchors; those of the SSD paper, which fit in number, are taken"
    return Heads(boxes, scores, anchors, Coding(), sigmoid, columns, True, note), ""


def _boxes_place(file: ModelFile, names: list[str], four: list[int]) -> int | None:
    """The place of the boxes: by name, else the output of four numbers an anchor that is no probability."""
    if set(names) == {BOXES, SCORES} and names.index(BOXES) in four:
        return names.index(BOXES)
    if len(four) == 2:
        graph = file.main
        sure = [place for place in four if not are_probabilities(graph, graph.outputs[place])]
        # With four classes of raw scores the shapes do not tell; boxes come first, as MediaPipe's writer has them.
        return sure[0] if sure else 0
    return four[0] if four else None


def _paper_anchors(picture: PictureShape) -> Array:
    grids = []
    rows, columns = picture.height, picture.width
    for level in range(PAPER_LEVELS):
        times = 16 if level == 0 else 2
        rows, columns = -(-rows // times), -(-columns // times)
        grids.append((rows, columns))
    return make_anchors(grids, paper_shapes(PAPER_LEVELS))
