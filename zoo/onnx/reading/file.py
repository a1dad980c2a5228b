"""Reads the graph of an `.onnx` file: its operations, tensors, operation sets and metadata.

The reader trusts nothing: a damaged or hostile file raises `ModelFileError` and never crashes, hangs or leads to other
files. It needs the package `onnx`, but no runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from zoo.errors import ModelFileError
from zoo.onnx.extra import module
from zoo.onnx.kinds import mapped
from zoo.onnx.reading.model import Constant, Graph, Node, OnnxFile, Value
from zoo.onnx.reading.records import walk
from zoo.onnx.reading.structure import require_order
from zoo.tflite.flatbuffer import shortened
from zoo.tflite.modelfile import MAX_DIMENSIONS, MAX_ELEMENTS

MAX_BYTES = 2**31 - 1
"""The largest file, as protobuf allows it; larger models keep their weights outside, which is refused anyway."""
MAX_METADATA_BYTES = 16 * 1024 * 1024
"""The most bytes of all metadata together."""
MAX_VERSION = 10_000
"""The newest version of an operation set that is read; ONNX' own has 30."""
ITEM_BYTES = {
    "float64": 8, "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16,
    "float32": 4, "int32": 4, "uint32": 4,
    "float16": 2, "int16": 2, "uint16": 2, "bfloat16": 2,
    "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Size of one value in bytes, for the types that have whole bytes."""
_NAMES = {"float": "float32", "double": "float64", "undefined": ""}
_EXTERNAL = 1  # TensorProto.DataLocation.EXTERNAL


def read(path: str | Path) -> OnnxFile:
    """Parses a file and checks its structure.

    Raises:
        ModelFileError: the file cannot be read, is no ONNX model, is damaged, or keeps parts of it elsewhere.
        MissingDependencyError: the package `onnx` is not installed; the message says what to type.
    """
    path = Path(path)
    onnx = module("onnx", "reading an .onnx file")
    data = _content(path)
    try:
        proto = onnx.ModelProto()
        try:
            proto.ParseFromString(data)
        except Exception as error:
            # protobuf raises several types, by its implementation.
            raise ModelFileError("its bytes are no ONNX model") from error
        size = len(data)
        del data  # the message has its own copy of the weights
        return _file(path, size, proto)
    except ModelFileError as error:
        raise ModelFileError(f"{path} is not a sound .onnx file: {error}") from error


def _content(path: Path) -> bytes:
    with mapped(path) as data:
        if len(data) > MAX_BYTES:
            raise ModelFileError(f"{path} has {len(data)} bytes, and {MAX_BYTES} are the most of an .onnx file")
        try:
            walk(data)  # before all of it is in memory
        except ModelFileError as error:
            raise ModelFileError(f"{path} is not a sound .onnx file: {error}") from error
        return data[:]


def _file(path: Path, size: int, proto: Any) -> OnnxFile:
    if not proto.HasField("graph"):
        raise ModelFileError("it has no graph")
    if len(proto.functions):
        raise ModelFileError(
            "it has functions of its own, and not only operations; export it with them written out "
            "(onnx.inliner.inline_local_functions)"
        )
    opsets = _opsets(proto)
    graph = _graph(proto.graph, (), opsets)
    for value in (*graph.inputs, *graph.outputs):
        if not value.name:
            raise ModelFileError("an input or output has no name")
    if not graph.outputs:
        raise ModelFileError("its graph has no output")
    producer = f"{_name(proto.producer_name)} {_name(proto.producer_version)}".strip()
    return OnnxFile(path, size, proto.ir_version, producer, opsets, graph, _metadata(proto))


def _opsets(proto: Any) -> dict[str, int]:
    opsets: dict[str, int] = {}
    for one in proto.opset_import:
        domain = _domain(one)
        if domain in opsets:
            raise ModelFileError(f"it names the operation set {shortened(domain)} twice")
        if not 1 <= one.version <= MAX_VERSION:
            raise ModelFileError(f"it names version {one.version} of an operation set")
        opsets[domain] = one.version
    if not opsets:
        raise ModelFileError("it names no operation set (opset); it is cut off, or another kind of file")
    return opsets


def _metadata(proto: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    left = MAX_METADATA_BYTES
    for entry in proto.metadata_props:
        key, text = _name(entry.key), _name(entry.value)
        left -= len(key) + len(text)
        if left < 0:
            raise ModelFileError(f"its metadata have more than {MAX_METADATA_BYTES} bytes")
        found[key] = text
    return found


def _graph(proto: Any, around: tuple[set[str], ...], opsets: dict[str, int]) -> Graph:
    """Reads a graph; `around` has the names of what the graphs around it give and make."""
    if len(proto.sparse_initializer):
        raise ModelFileError("it has sparse weights; save them dense")
    constants = _unique((_constant(one, _name(one.name)) for one in proto.initializer), "constant")
    given = _unique((_value(one) for one in proto.input), "input")
    known = set(constants) | set(given)
    made = {_name(name) for node in proto.node for name in node.output if name}
    nodes = tuple(_node(one, (*around, known, made), opsets) for one in proto.node)
    outputs = tuple(_value(one) for one in proto.output)
    return Graph(
        _name(proto.name),
        require_order(nodes, known, around, [value.name for value in outputs]),
        tuple(value for name, value in given.items() if name not in constants),
        outputs,
        constants,
        {value.name: value for value in map(_value, proto.value_info)},
    )


def _unique(found: Iterable[Any], what: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for one in found:
        if one.name in named:
            raise ModelFileError(f"two of its {what}s are called {shortened(one.name)}")
        named[one.name] = one
    return named


def _node(proto: Any, around: tuple[set[str], ...], opsets: dict[str, int]) -> Node:
    domain = _domain(proto)
    node = Node(
        _name(proto.name),
        _name(proto.op_type),
        domain,
        tuple(map(_name, proto.input)),
        tuple(map(_name, proto.output)),
        {_name(one.name): _attribute(one, around, opsets) for one in proto.attribute},
    )
    if not node.op:
        raise ModelFileError(f"node {shortened(node.name)} has no operation")
    if domain not in opsets:
        raise ModelFileError(f"{node.called} is of the operation set {shortened(domain)}, of which it names no version")
    return node


def _attribute(proto: Any, around: tuple[set[str], ...], opsets: dict[str, int]) -> Any:
    kind = _enum_name(proto.AttributeType, proto.type)
    if kind == "GRAPH":
        return _graph(proto.g, around, opsets)
    simple: dict[str, Callable[[], Any]] = {
        "FLOAT": lambda: proto.f,
        "INT": lambda: proto.i,
        "STRING": lambda: _text(proto.s),
        "FLOATS": lambda: tuple(proto.floats),
        "INTS": lambda: tuple(proto.ints),
        "STRINGS": lambda: tuple(map(_text, proto.strings)),
        "TENSOR": lambda: _constant(proto.t, _name(proto.t.name or proto.name)),
        "TENSORS": lambda: tuple(_constant(one, _name(one.name)) for one in proto.tensors),
    }
    if kind not in simple:
        raise ModelFileError(f"attribute {shortened(proto.name)} is of the kind {kind}, which is not supported")
    return simple[kind]()


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def _constant(proto: Any, name: str) -> Constant:
    called = f"constant {shortened(name)}"
    if proto.data_location == _EXTERNAL or len(proto.external_data):
        places = [_name(one.value) for one in proto.external_data if one.key == "location"]
        where = f", such as {shortened(places[0])}, from which nothing is read" if places else ""
        raise ModelFileError(
            f"its weights are in other files{where}; put all into one, where the package onnx is: "
            "onnx.save(onnx.load(FILE), 'whole.onnx')"
        )
    dtype = _type_name(proto.data_type, called)
    shape = _shape(tuple(proto.dims), called)
    if proto.HasField("raw_data"):
        size, item = len(proto.raw_data), ITEM_BYTES.get(dtype)
        if item and size != item * math.prod(shape):
            raise ModelFileError(f"{called} of shape {shape}, {dtype}, has {size} bytes of data")
    elif dtype == "string":
        size = sum(map(len, proto.string_data))
    else:
        fields = (proto.float_data, proto.int32_data, proto.int64_data, proto.double_data, proto.uint64_data)
        stored = sum(map(len, fields))
        size = stored * ITEM_BYTES.get(dtype, 1)
        if dtype in ITEM_BYTES and not dtype.startswith("complex") and stored != math.prod(shape):
            raise ModelFileError(f"{called} of shape {shape}, {dtype}, has {stored} values")
    return Constant(name, dtype, shape, size, proto)


def _type_name(code: int, called: str) -> str:
    name = _enum_name(module("onnx", "reading an .onnx file").TensorProto.DataType, code).lower()
    if name.isdigit():
        raise ModelFileError(f"{called} has the unknown type {code}")
    return _NAMES.get(name, name)


def _enum_name(kind: Any, code: int) -> str:
    """Returns the name of a value of an enumeration; the number itself if it has none."""
    try:
        return str(kind.Name(code))
    except ValueError:
        return str(code)


def _domain(proto: Any) -> str:
    """Returns the operation set of a node or an import; ONNX' own has two names."""
    domain = _name(proto.domain)
    return "" if domain == "ai.onnx" else domain


def _name(text: Any) -> str:
    """Returns a text of the file; protobuf hands over the bytes of what is none."""
    if not isinstance(text, str):
        raise ModelFileError(f"the name {shortened(repr(text))} in it is no text")
    return text


def _shape(sizes: tuple[Any, ...], called: str) -> tuple[Any, ...]:
    """Checks a shape, in which names stand for open sizes."""
    if len(sizes) > MAX_DIMENSIONS:
        raise ModelFileError(f"{called} has {len(sizes)} dimensions, the limit is {MAX_DIMENSIONS}")
    numbers = [size for size in sizes if isinstance(size, int)]
    if any(size < 0 for size in numbers):
        raise ModelFileError(f"{called} has shape {sizes}")
    if math.prod(numbers) > MAX_ELEMENTS:
        raise ModelFileError(f"{called} of shape {sizes} has more than 2**63 elements")
    return sizes


def _value(proto: Any) -> Value:
    name = _name(proto.name)
    if not proto.type.HasField("tensor_type"):
        return Value(name, "", None)
    called = f"tensor {shortened(name)}"
    tensor = proto.type.tensor_type
    dtype = _type_name(tensor.elem_type, called)
    if not tensor.HasField("shape"):
        return Value(name, dtype, None)
    sizes = tuple(
        # Some exporters write an open size as -1, and 0 is one of no elements.
        (one.dim_value if one.dim_value >= 0 else None) if one.HasField("dim_value") else (_name(one.dim_param) or None)
        for one in tensor.shape.dim
    )
    return Value(name, dtype, _shape(sizes, called))
