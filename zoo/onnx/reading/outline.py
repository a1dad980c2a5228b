"""Reads of an `.onnx` file what running it needs: inputs, outputs, operations by name, and the properties.

It needs no package but this one, because a board has none, and the weights are not read. `zoo.onnx.reading.file` reads
all of a file, to judge it. Numbers below are those of fields in the public `onnx.proto`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ModelFileError
from zoo.onnx.card import read_metadata
from zoo.onnx.kinds import mapped
from zoo.onnx.reading.graph import UNKNOWN, Node, Value, as_graph
from zoo.onnx.reading.wire import Data, Field, Walker
from zoo.tflite.flatbuffer import shortened
from zoo.tflite.modelfile import ITEM_BYTES, MAX_DIMENSIONS, MAX_ELEMENTS, Graph, ModelFile

MAX_PROPS_BYTES = 64 * 1024 * 1024
"""Largest size of a property in bytes; `zoo.onnx.card` has narrower limits for ours."""
MAX_PROPS = 1024
MAX_DEPTH = 8
"""The most graphs inside of each other, as in `If` and `Loop`."""
TYPES = {
    1: "FLOAT32", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64", 8: "STRING", 9: "BOOL",
    10: "FLOAT16", 11: "FLOAT64", 12: "UINT32", 13: "UINT64", 14: "COMPLEX64", 15: "COMPLEX128", 16: "BFLOAT16",
}  # fmt: skip
"""Types of values as in `ModelFile`, by their numbers in `TensorProto.DataType`."""
_EXTERNAL = 1  # TensorProto.DataLocation


def read(path: str | Path) -> ModelFile:
    """Reads what a file says of its graph, its properties excepted.

    Operations have ONNX' names. A size that is open is 1 in a shape, as in a `.tflite` file, and the tensor is dynamic.

    Raises:
        ModelFileError: the file cannot be read, is no ONNX file, is damaged, or keeps its weights in other files.
    """
    path = Path(path)
    data = mapped(path)
    try:
        return _Reader(data, path).file()
    except ModelFileError as error:
        raise ModelFileError(f"{path} is not a sound .onnx file: {error}") from error


def read_props(path: str | Path) -> dict[str, str]:
    """Returns the properties of a file by their keys; of two with one key the later one counts.

    Raises:
        ModelFileError: see `read`.
    """
    path = Path(path)
    data = mapped(path)
    try:
        return _Reader(data, path).props()
    except ModelFileError as error:
        raise ModelFileError(f"{path} is not a sound .onnx file: {error}") from error


class _Reader:
    """Reads one file."""

    def __init__(self, data: Data, path: Path) -> None:
        self._walker = Walker(data)
        self._path = path
        self._size = len(data)

    def props(self) -> dict[str, str]:
        """The properties by their keys."""
        found: dict[str, str] = {}
        for entry in self._walker.fields(0, self._size):
            if entry.number == 14:
                key, value = "", ""
                for one in self._walker.messages(entry):
                    if one.number == 1:
                        key = self._walker.text(one)
                    elif one.number == 2:
                        value = self._walker.text(one, MAX_PROPS_BYTES)
                found[key] = value
                if len(found) > MAX_PROPS:
                    raise ModelFileError(f"it has more than {MAX_PROPS} properties")
        return found

    def file(self) -> ModelFile:
        """All that is read of it."""
        version, graphs = 0, []
        for entry in self._walker.fields(0, self._size):
            if entry.number == 1:
                version = entry.value
            elif entry.number == 7:
                graphs.append(entry)
            elif entry.number == 25:
                for part in self._walker.messages(entry):
                    if part.number == 7:
                        self._node(part, 0)
        if not version or len(graphs) != 1:
            raise ModelFileError(f"it has {'no version' if not version else f'{len(graphs)} graphs'}")
        metadata = read_metadata(self.props(), self._path)
        return ModelFile(self._path, self._size, version, (self._graph(graphs[0]),), metadata)

    def _graph(self, message: Field) -> Graph:
        values: dict[str, Value] = {}
        constants: dict[str, Value] = {}
        inputs: list[str] = []
        outputs: list[str] = []
        nodes: list[Node] = []
        for part in self._walker.messages(message):
            if part.number == 1:
                nodes.append(self._node(part, 0))
            elif part.number == 5:
                name, constant = self._constant(part)
                constants[name] = constant
            elif part.number in {11, 12, 13}:
                name, value = self._value(part)
                values[name] = value
                {11: inputs, 12: outputs, 13: []}[part.number].append(name)
        values |= constants
        # Files of the oldest versions list weights among the inputs.
        return as_graph(values, nodes, [name for name in inputs if name not in constants], outputs)

    def _node(self, message: Field, depth: int) -> Node:
        """Reads an operation, and refuses weights in other files in the graphs and values that belong to it."""
        node, walker = Node(), self._walker
        for part in walker.messages(message):
            if part.number == 1:
                node.inputs.append(walker.text(part))
            elif part.number == 2:
                node.outputs.append(walker.text(part))
            elif part.number == 4:
                node.name = walker.text(part)
            elif part.number == 7:
                node.domain = walker.text(part)
            elif part.number == 5:
                self._attribute(part, depth)
        return node

    def _attribute(self, message: Field, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ModelFileError(f"its graphs are nested more than {MAX_DEPTH} deep")
        for part in self._walker.messages(message):
            if part.number in {5, 10}:  # a tensor, or several
                self._constant(part)
            elif part.number in {6, 11}:  # a graph, or several
                for inner in self._walker.messages(part):
                    if inner.number == 1:
                        self._node(inner, depth + 1)
                    elif inner.number == 5:
                        self._constant(inner)

    def _constant(self, message: Field) -> tuple[str, Value]:
        """Reads the name, type and shape of a constant.

        Raises:
            ModelFileError: its values are in another file.
        """
        walker, value, name, dims = self._walker, Value(told=True), "", list[int]()
        for part in walker.messages(message):
            if part.number == 1:
                dims += walker.numbers(part, MAX_DIMENSIONS)
            elif part.number == 2:
                value.dtype = TYPES.get(part.value, UNKNOWN)
            elif part.number == 8:
                name = walker.text(part)
            elif part.number == 13 or (part.number == 14 and part.value == _EXTERNAL):
                raise ModelFileError(
                    "its weights are in other files; put all into one, where the package onnx is: "
                    f"onnx.save(onnx.load({self._path.name!r}), 'whole.onnx')"
                )
        value.shape = _checked(name, dims)
        value.bytes = max(1, math.prod(value.shape) * ITEM_BYTES.get(value.dtype, 1))
        return name, value

    def _value(self, message: Field) -> tuple[str, Value]:
        """Reads the name, type and shape of an input, an output or what is between."""
        name, value = "", Value()
        for part in self._walker.messages(message):
            if part.number == 1:
                name = self._walker.text(part)
            elif part.number == 2:
                self._type(part, value)
        value.shape = _checked(name, value.shape)
        return name, value

    def _type(self, message: Field, value: Value) -> None:
        for tensor in self._inside(message, 1):
            if tensor.number == 1:
                value.dtype = TYPES.get(tensor.value, UNKNOWN)
            elif tensor.number == 2:
                value.told = True
                value.shape = tuple(map(self._size_of, self._dimensions(tensor)))

    def _dimensions(self, shape: Field) -> Iterator[Field]:
        dims = [one for one in self._walker.messages(shape) if one.number == 1]
        if len(dims) > MAX_DIMENSIONS:
            raise ModelFileError(f"a shape has {len(dims)} dimensions, the limit is {MAX_DIMENSIONS}")
        return iter(dims)

    def _size_of(self, dimension: Field) -> int:
        """Returns the size along an axis; 0 where it is open, which some write as a negative size."""
        sizes = [
            size for one in self._walker.messages(dimension) if one.number == 1 for size in self._walker.numbers(one, 1)
        ]
        return max(0, sizes[-1]) if sizes else 0

    def _inside(self, message: Field, number: int) -> Iterator[Field]:
        for part in self._walker.messages(message):
            if part.number == number:
                yield from self._walker.messages(part)


def _checked(name: str, sizes: list[int] | tuple[int, ...]) -> tuple[int, ...]:
    called = f"tensor {shortened(name)}"
    if len(sizes) > MAX_DIMENSIONS:
        raise ModelFileError(f"{called} has {len(sizes)} dimensions, the limit is {MAX_DIMENSIONS}")
    if any(size < 0 for size in sizes) or math.prod(map(float, sizes)) > MAX_ELEMENTS:
        raise ModelFileError(f"{called} has the shape {tuple(sizes)}")
    return tuple(sizes)
