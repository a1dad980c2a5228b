"""Small detectors, made without TensorFlow: they find what is red, green or blue in the cells of a grid.

Each cell is an anchor; its box is the anchor itself, and the scores are the means of its three colours. So it is known
what such a file has to find in a picture.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from PIL import Image

from zoo.tasks.objects.boxes import make_anchors
from zoo.tflite.writing.front import table, tables
from zoo.tflite.writing.metadata import append_files

Array = npt.NDArray[Any]

COLOURS = ("red", "green", "blue")
SIDE, GRID = 64, 4
CELL = SIDE // GRID
ANCHORS = make_anchors([(GRID, GRID)], [[(1 / GRID, 1 / GRID)]])
POST_PROCESS = "TFLite_Detection_PostProcess"


class Net:
    """A graph in the making."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.model.metadata = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: int = schema.TensorType.FLOAT32,
        data: Array | None = None,
        scale: tuple[float, int] | None = None,
    ) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), kind, 0
        if data is not None:
            made.buffer = self.buffer(data.tobytes())
        if scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale[0]], [scale[1]]
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def buffer(self, content: bytes) -> int:
        made = schema.BufferT()
        made.data = np.frombuffer(content, np.uint8)
        self.model.buffers.append(made)
        return len(self.model.buffers) - 1

    def op(
        self, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, custom: str = ""
    ) -> Any:
        kind = schema.OperatorCodeT()
        kind.builtinCode, kind.deprecatedBuiltinCode, kind.version = code, min(code, 127), 1
        kind.customCode = custom or None
        self.model.operatorCodes.append(kind)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.model.operatorCodes) - 1
        made.inputs, made.outputs = list(inputs), list(outputs)
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            made.builtinOptions = options
        self.graph.operators.append(made)
        return made

    def head(self, entry: int, name: str, kernel: Array, bias: Array) -> int:
        """A convolution over each cell, as a row for each."""
        filters = len(bias)
        grid = self.tensor(f"{name}_grid", (1, GRID, GRID, filters))
        options = schema.Conv2DOptionsT()
        options.padding, options.strideW, options.strideH = schema.Padding.VALID, CELL, CELL
        weights = self.tensor(f"{name}_kernel", kernel.shape, data=kernel.astype(np.float32))
        biases = self.tensor(f"{name}_bias", (filters,), data=bias.astype(np.float32))
        self.op(schema.BuiltinOperator.CONV_2D, [entry, weights, biases], [grid], options)
        shape = (1, GRID * GRID, filters)
        rows = self.tensor(name, shape)
        reshape = schema.ReshapeOptionsT()
        reshape.newShape = list(shape)
        to = self.tensor(f"{name}_shape", (3,), schema.TensorType.INT32, np.array(shape, np.int32))
        self.op(schema.BuiltinOperator.RESHAPE, [grid, to], [rows], reshape)
        return rows

    def quantized(self, index: int, scale: float, zero_point: int, kind: int = schema.TensorType.UINT8) -> int:
        shape = self.graph.tensors[index].shape
        made = self.tensor("Identity", shape, kind, scale=(scale, zero_point))
        self.op(schema.BuiltinOperator.QUANTIZE, [index], [made], schema.QuantizeOptionsT())
        return made

    def write(self, path: Path, metadata: bytes | None = None, labels: Sequence[str] = ()) -> Path:
        if metadata is not None:
            entry = schema.MetadataT()
            entry.name, entry.buffer = "TFLITE_METADATA", self.buffer(metadata)
            self.model.metadata.append(entry)
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        if labels:
            append_files(path, {"labels.txt": "\n".join(labels)})
        return path


def heads(
    net: Net,
    names: tuple[str, str] = ("boxes", "scores"),
    *,
    sigmoid: bool = True,
    channels_first: bool = False,
) -> tuple[int, int]:
    """The net's two outputs: boxes that are the anchors, and scores that are the colours' means, 0..1."""
    entry = net.tensor("picture", (1, SIDE, SIDE, 3))
    net.graph.inputs = [entry]
    if channels_first:
        net.graph.inputs = [net.tensor("planes", (1, 3, SIDE, SIDE))]
        order = net.tensor("order", (4,), schema.TensorType.INT32, np.array([0, 2, 3, 1], np.int32))
        net.op(schema.BuiltinOperator.TRANSPOSE, [net.graph.inputs[0], order], [entry], schema.TransposeOptionsT())
    boxes = net.head(entry, names[0], np.zeros((4, CELL, CELL, 3)), np.zeros(4))
    kernel = np.zeros((3, CELL, CELL, 3))
    for colour in range(3):
        kernel[colour, :, :, colour] = 1 / (255 * CELL * CELL)
    if not sigmoid:
        return boxes, net.head(entry, names[1], kernel, np.zeros(3))
    # A sigmoid of -8 to 8: a cell without a colour has 0.0003, one full of it 0.9997, one half full 0.5.
    logits = net.head(entry, "logits", 16 * kernel, np.full(3, -8.0))
    scores = net.tensor(names[1], (1, GRID * GRID, 3))
    net.op(schema.BuiltinOperator.LOGISTIC, [logits], [scores])
    return boxes, scores


def _real(value: float) -> tuple[str, Any]:
    return "Float32", float(value)


def metadata(anchors: Array = ANCHORS, *, sigmoid: bool = False, identifier: bytes = b"V001") -> bytes:
    """TFLite metadata with MediaPipe's DETECTOR_METADATA, by the public schemas."""
    b = flatbuffers.Builder(4096)
    rows = [table(b, {}, dict(enumerate(map(_real, (x, y, width, height))))) for y, x, height, width in anchors]
    fixed = table(b, {0: tables(b, rows)})
    options: dict[int, tuple[str, Any]] = {0: ("Int32", 3), 1: ("Int32", len(anchors)), 2: ("Int32", 4)}
    options |= {6: _real(10), 7: _real(10), 8: _real(5), 9: _real(5), 10: ("Bool", True), 11: ("Bool", sigmoid)}
    decoding = table(b, {}, options)
    b.Finish(table(b, {1: table(b, {0: fixed}), 2: decoding}), identifier)
    detector = bytes(b.Output())
    b = flatbuffers.Builder(8192)
    custom = table(b, {0: b.CreateString("DETECTOR_METADATA"), 1: b.CreateByteVector(detector)})
    b.Finish(table(b, {3: tables(b, [table(b, {9: tables(b, [custom])})])}), b"M001")
    return bytes(b.Output())


def heads_only(path: Path, *, quantized: bool = False) -> Path:
    """A file with two outputs, and nothing that says what they are."""
    net = Net()
    outputs = list(heads(net))
    if quantized:
        outputs = [net.quantized(outputs[0], 0.05, 128), net.quantized(outputs[1], 1 / 256, 0)]
    net.graph.outputs = outputs
    return net.write(path)


def two_outputs(
    path: Path,
    *,
    quantized: bool = False,
    signed: bool = False,
    swapped: bool = False,
    sigmoid: bool = True,
    channels_first: bool = False,
) -> Path:
    """A file with two outputs and MediaPipe's metadata."""
    net = Net()
    outputs = list(heads(net, sigmoid=sigmoid, channels_first=channels_first))
    if quantized:
        outputs = [net.quantized(outputs[0], 0.05, 128), net.quantized(outputs[1], 1 / 256, 0)]
    if signed:
        kind = schema.TensorType.INT8
        outputs = [net.quantized(outputs[0], 0.05, 7, kind), net.quantized(outputs[1], 1 / 256, -128, kind)]
    net.graph.outputs = outputs[::-1] if swapped else outputs
    return net.write(path, metadata(), COLOURS)


def four_outputs(path: Path, order: Sequence[int] = (0, 1, 2, 3), *, as_integers: bool = False, most: int = 10) -> Path:
    """A file that decodes in the graph, with its outputs in any order; as integers, classes and count are int32."""
    net = Net()
    boxes, scores = heads(net)
    anchors = net.tensor("anchors", ANCHORS.shape, data=ANCHORS)
    made = [net.tensor(f"out{at}", shape) for at, shape in enumerate(((1, most, 4), (1, most), (1, most), (1,)))]
    op = net.op(schema.BuiltinOperator.CUSTOM, [boxes, scores, anchors], made, custom=POST_PROCESS)
    options = flexbuffers.Builder()
    with options.Map():
        for name, number in (("max_detections", most), ("max_classes_per_detection", 1), ("num_classes", 3)):
            options.Int(name, number)
        for name, value in (("y_scale", 10.0), ("x_scale", 10.0), ("h_scale", 5.0), ("w_scale", 5.0)):
            options.Float(name, value)
        options.Float("nms_score_threshold", 0.3)
        options.Float("nms_iou_threshold", 0.6)
    op.customOptions = np.frombuffer(bytes(options.Finish()), np.uint8)
    if as_integers:
        for place in (1, 3):
            shape = net.graph.tensors[made[place]].shape
            whole = net.tensor(f"int{place}", shape, schema.TensorType.INT32)
            net.op(schema.BuiltinOperator.CAST, [made[place]], [whole], schema.CastOptionsT())
            made[place] = whole
    net.graph.outputs = [made[at] for at in order]
    return net.write(path, labels=["???", *COLOURS])


def raw_outputs(path: Path) -> Path:
    """A file with the names of the Object Detection API's outputs, but another number of boxes than its anchors."""
    net = Net()
    net.graph.outputs = list(heads(net, ("raw_outputs/box_encodings", "raw_outputs/class_predictions")))
    return net.write(path)


def one_output(path: Path) -> Path:
    """A file with boxes and scores in one tensor, (1, 304, 7), as YOLO's exports have them."""
    net = Net()
    boxes, scores = heads(net)
    rows = [net.tensor(f"row{at}", (1, GRID * GRID, 7)) for at in range(19)]
    options = schema.ConcatenationOptionsT()
    options.axis = 2
    for row in rows:
        net.op(schema.BuiltinOperator.CONCATENATION, [boxes, scores], [row], options)
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    whole = net.tensor("Identity", (1, 19 * GRID * GRID, 7))
    net.op(schema.BuiltinOperator.CONCATENATION, rows, [whole], options)
    net.graph.outputs = [whole]
    return net.write(path)


def cells(*filled: tuple[int, int, str], size: int = SIDE) -> Array:
    """A black picture with cells (row, column) full of a colour."""
    picture = np.zeros((size, size, 3), np.uint8)
    step = size // GRID
    for row, column, name in filled:
        picture[row * step : (row + 1) * step, column * step : (column + 1) * step, COLOURS.index(name)] = 255
    return picture


def damaged(blob: bytes) -> bytes:
    """Metadata whose last vector is longer than the file."""
    at = blob.rindex(b"V001") - 4
    return blob[:at] + struct.pack("<I", 1 << 30) + blob[at + 4 :]


Scene = tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]
"""The cells (row, column, colour) of a picture, and those that are labelled."""
SCENES: dict[str, Scene] = {
    # All right; one labelled as another colour; one found that is not labelled; one labelled that is not there.
    "a": ([(0, 0, "red"), (3, 3, "blue")], [(0, 0, "red"), (3, 3, "blue")]),
    "b": ([(1, 1, "red"), (2, 2, "red")], [(1, 1, "red"), (2, 2, "green")]),
    "c": ([(0, 3, "green"), (2, 0, "blue")], [(0, 3, "green")]),
    "d": ([(1, 2, "blue")], [(1, 2, "blue"), (3, 0, "blue")]),
}


def write_scenes(folder: Path, scenes: dict[str, Scene] = SCENES, names: tuple[str, ...] = COLOURS) -> Path:
    """COCO's file and pictures of twice the size of the input, of which `b` is stored on its side."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    step = 2 * CELL
    for number, (name, (filled, labelled)) in enumerate(scenes.items(), start=1):
        picture = Image.fromarray(cells(*filled, size=2 * SIDE))
        exif = Image.Exif()
        if name == "b":
            exif[0x0112] = 6
            picture = picture.transpose(Image.Transpose.ROTATE_90)
        picture.save(folder / f"{name}.png", exif=exif)
        images.append({"id": number, "file_name": f"{name}.png", "width": 2 * SIDE, "height": 2 * SIDE})
        for row, column, colour in labelled:
            box = [column * step, row * step, step, step]
            kind = names.index(colour) + 1
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": kind, "bbox": box})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "_annotations.coco.json").write_text(json.dumps(document))
    return folder
