"""Reads the model part of a `.tflite` file: its operations and tensors.

The reader is pure Python and safe on any input: a damaged file raises `ModelFileError` and never crashes or hangs.
"""

from __future__ import annotations

import math
import mmap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.errors import ModelFileError
from zoo.tflite.flatbuffer import Data, Reader, Table, shortened
from zoo.tflite.kinds import IDENTIFIER, opened
from zoo.tflite.schema import op_names, type_names

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_METADATA_BYTES = 16 * 1024 * 1024
"""Largest size of all metadata entries together, in bytes; further entries are not read."""
MAX_TENSORS = MAX_OPS = MAX_BUFFERS = 65_536
"""The most tensors, operations and buffers of all graphs together; models for boards have fewer."""
MAX_INDEXES = 1 << 20
"""The most indexes of inputs and outputs of all operations together."""
MAX_SCALES = 1 << 22
"""The most scales of all tensors together, and the most zero points."""
MAX_ENTRIES = 1024
"""The most graphs, and the most metadata entries."""
MAX_DIMENSIONS = 32
"""The most dimensions of a tensor; runtimes take 8 or fewer."""
MAX_ELEMENTS = 2**63 - 1
"""The most elements of a tensor, as runtimes count them. It also keeps numbers of multiply-accumulates printable."""
_VERSION_BYTES = 32  # length of the text in which a converter states the oldest runtime
CUSTOM_OP = 32  # BuiltinOperator.CUSTOM
POST_PROCESS = "TFLite_Detection_PostProcess"
"""The custom operation that decodes boxes in the graph; its outputs are boxes, classes, scores and their count."""
ITEM_BYTES = {
    "FLOAT64": 8, "INT64": 8, "UINT64": 8, "COMPLEX64": 8, "COMPLEX128": 16,
    "FLOAT32": 4, "INT32": 4, "UINT32": 4,
    "FLOAT16": 2, "INT16": 2, "UINT16": 2, "BFLOAT16": 2,
    "INT8": 1, "UINT8": 1, "BOOL": 1,
}  # fmt: skip
"""Size of one value in bytes, for the types that have whole bytes."""


class Tensor(NamedTuple):
    """A tensor of a file."""

    number: int
    """Its place among the tensors of its graph."""
    name: str
    shape: tuple[int, ...]
    dtype: str
    """Data type, named as in TensorFlow's schema: `FLOAT32`, `INT8`..."""
    scales: npt.NDArray[np.float32]
    """Quantization scales: none if not quantized, one for the tensor, or one for each channel along `axis`."""
    zero_points: npt.NDArray[np.int64]
    axis: int
    dynamic: bool
    """Whether some dimension is known only at run time."""
    bytes: int
    """Size of its constant data, in bytes; 0 for a computed tensor."""
    start: int = 0
    """The first byte of its constant data in the file."""
    sparse: bool = False
    """Whether its constant data leave out zeros, and are to be read by a rule of their own."""

    @property
    def is_constant(self) -> bool:
        """Whether the file contains its values."""
        return self.bytes > 0


class Op(NamedTuple):
    """One operation of the graph."""

    name: str
    """Name such as `CONV_2D`, or the name of a custom operation."""
    version: int
    custom: bool
    inputs: tuple[int, ...]
    """Indexes of the input tensors; -1 for an optional input that is left out."""
    outputs: tuple[int, ...]
    options: Table | None = None
    """The operation's own table, e.g. `Conv2DOptions`."""


class Graph(NamedTuple):
    """A subgraph; almost every file has only one."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def macs(self, op: Op) -> int:
        """Multiply-accumulates of one operation: convolutions and dense layers, 0 for all others."""
        if op.name not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            return 0
        if len(op.inputs) < 2 or op.inputs[1] < 0 or not op.outputs:  # happens only in a damaged file
            return 0
        weights = self.tensors[op.inputs[1]].shape
        positions = self.tensors[op.outputs[0]].shape[:-1]
        return math.prod(weights) * math.prod(positions)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one run of the model."""
        return sum(map(self.macs, self.ops))

    def constant_bytes(self) -> Counter[str]:
        """Bytes of constants by the name of the operation that reads them first."""
        sizes: Counter[str] = Counter()
        seen: set[int] = set()
        for op in self.ops:
            new = {i for i in op.inputs if i >= 0} - seen
            sizes[op.name] += sum(self.tensors[i].bytes for i in new)
            seen |= new
        return sizes


class ModelFile(NamedTuple):
    """A parsed `.tflite` file, or what `zoo.onnx.reading.outline` reads of an `.onnx` file in the same form."""

    path: Path
    size: int
    """Size of the file in bytes."""
    schema_version: int
    """Version of the format: TFLite's schema, or ONNX' IR."""
    graphs: tuple[Graph, ...]
    metadata: dict[str, bytes]
    """Content of each metadata entry by its name."""

    @property
    def main(self) -> Graph:
        """The graph that runs."""
        return self.graphs[0]

    @property
    def min_runtime(self) -> str:
        """The oldest TensorFlow runtime that can load the file, according to its converter; only a lower bound."""
        said = self.metadata.get("min_runtime_version", b"")[:_VERSION_BYTES]
        return said.rstrip(b"\0").decode("ascii", errors="replace")


def read(path: str | Path) -> ModelFile:
    """Parses a file and checks its structure: offsets, indexes, shapes, sizes of constants.

    Raises:
        ModelFileError: the file cannot be read, is no `.tflite` file, or is damaged; the message says where.
    """
    path = Path(path)
    with opened(path) as file:
        # The file stays open, because the operations' option tables still read from it.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    found = parse(data, path)
    # The system has mapped pages around each that was read, up to nearly the whole file, and an interpreter will map
    # it once more.
    data.madvise(mmap.MADV_DONTNEED)
    return found


def parse(data: Data, path: Path) -> ModelFile:
    """Parses the bytes of a file like `read`, for a file that stands in another one.

    Args:
        data: the bytes of the model.
        path: what error messages call it.

    Raises:
        ModelFileError: see `read`.
    """
    try:
        root = Reader(data).root(IDENTIFIER)
        codes = [_op_code(table) for table in root.tables(1, "operator codes", MAX_OPS)]
        # Buffers are kept as positions, so that 500 MB of weights are not copied.
        buffers = [_buffer(table, len(data)) for table in root.tables(4, "buffers", MAX_BUFFERS)]
        graphs = tuple(_graph(table, codes, buffers) for table in root.tables(2, "graphs", MAX_ENTRIES))
        if not graphs:
            raise ModelFileError("it has no graph")
        metadata = _metadata(root, data, buffers)
    except ModelFileError as error:
        raise ModelFileError(f"{path} is not a sound .tflite file: {error}") from error
    return ModelFile(path, len(data), root.number(0, "I"), graphs, metadata)


def _metadata(root: Table, data: Data, buffers: list[tuple[int, int]]) -> dict[str, bytes]:
    """The metadata by name. Entries that name one buffer share its bytes."""
    read: dict[tuple[int, int], bytes] = {}
    metadata = {}
    left = MAX_METADATA_BYTES
    for entry in root.tables(6, "metadata entries", MAX_ENTRIES):
        start, length = span = _pick(buffers, entry.number(1, "I"), "buffer")
        if span not in read:
            read[span] = bytes(data[start : start + min(length, left)])
            left -= len(read[span])
        metadata[entry.text(0)] = read[span]
    return metadata


def _op_code(table: Table) -> tuple[str, int, bool]:
    # Old files hold the operation's code in a byte, new ones in an additional int; the larger one is right.
    code = max(table.number(0, "b"), table.number(3, "i"))
    custom = code == CUSTOM_OP
    name = table.text(1) if custom else op_names().get(code, f"UNKNOWN_{code}")
    return name, table.number(2, "i", 1), custom


def _buffer(table: Table, size: int) -> tuple[int, int]:
    start, length = table.number(1, "Q"), table.number(2, "Q")
    if start <= 1:
        return table.span(0)
    if start + length > size:
        raise ModelFileError(f"a buffer at byte {start} of {length} bytes reaches beyond the file's end")
    return start, length


def _graph(table: Table, codes: list[tuple[str, int, bool]], buffers: list[tuple[int, int]]) -> Graph:
    tensors = tuple(_tensor(t, i, buffers) for i, t in enumerate(table.tables(0, "tensors", MAX_TENSORS)))

    def indexes(owner: Table, slot: int) -> tuple[int, ...]:
        found: tuple[int, ...] = tuple(owner.array(slot, "<i4", "inputs and outputs", MAX_INDEXES).tolist())
        for i in found:
            if not -1 <= i < len(tensors):
                raise ModelFileError(f"tensor {i} is asked for, there are {len(tensors)}")
        return found

    ops = []
    for op in table.tables(3, "operations", MAX_OPS):
        name, version, custom = _pick(codes, op.number(0, "I"), "operator code")
        options = None if op.number(3, "B") == 0 else op.table(4)
        ops.append(Op(name, version, custom, indexes(op, 1), indexes(op, 2), options))
    graph = Graph(tensors, tuple(ops), indexes(table, 1), indexes(table, 2))
    if -1 in graph.inputs + graph.outputs or any(-1 in op.outputs for op in ops):
        raise ModelFileError("an input or output is left out")
    return graph


def _tensor(table: Table, index: int, buffers: list[tuple[int, int]]) -> Tensor:
    name = table.text(3)
    called = f"tensor {index} {shortened(name)}"
    shape, signature = _dimensions(table, 0, called), _dimensions(table, 7, called)
    if any(n < 0 for n in shape):
        raise ModelFileError(f"{called} has shape {shape}")
    elements = math.prod(shape)
    if elements > MAX_ELEMENTS:
        raise ModelFileError(f"{called} of shape {shape} has more than 2**63 elements")
    dtype = type_names().get(table.number(1, "b"))
    if dtype is None:
        raise ModelFileError(f"{called} has the unknown type {table.number(1, 'b')}")
    start, size = _pick(buffers, table.number(2, "I"), "buffer")
    item, sparse = ITEM_BYTES.get(dtype), table.table(6) is not None
    if size and item and not sparse and size != item * elements:
        raise ModelFileError(f"{called} of shape {shape}, {dtype}, has {size} bytes of data")
    quantization = table.table(4)
    scales, zero_points, axis = np.empty(0, np.float32), np.empty(0, np.int64), 0
    if quantization:
        scales = quantization.array(2, "<f4", "scales", MAX_SCALES)
        zero_points = quantization.array(3, "<i8", "zero points", MAX_SCALES)
        axis = quantization.number(6, "i")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise ModelFileError(f"{called} of shape {shape} has {len(scales)} scales on axis {axis}")
    return Tensor(index, name, shape, dtype, scales, zero_points, axis, -1 in signature, size, start, sparse)


def _dimensions(table: Table, slot: int, called: str) -> tuple[int, ...]:
    """Reads a shape exactly as the file has it, negative numbers included."""
    values = table.array(slot, "<i4", "dimensions", 2 * MAX_TENSORS * MAX_DIMENSIONS)
    if len(values) > MAX_DIMENSIONS:
        raise ModelFileError(f"{called} has {len(values)} dimensions, the limit is {MAX_DIMENSIONS}")
    return tuple(values.tolist())


def _pick(items: list[Any], index: int, what: str) -> Any:
    if index >= len(items):
        raise ModelFileError(f"{what} {index} is asked for, there are {len(items)}")
    return items[index]
