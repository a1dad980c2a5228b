"""What a `.tflite` file holds: its operations and tensors, and the labels and card at its end.

Pure Python, and safe on any input: a damaged file raises `ModelFileError`, it does not crash or hang.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import mmap
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import MissingDependencyError, ModelFileError
from zoo.runner.flatbuffer import Data, Reader, Table
from zoo.specs import RESIZES, Preprocessing

LABELS = "labels.txt"
CARD = "card.json"
MAX_PART_BYTES = 16 * 1024 * 1024
"""No label list or card is larger; a zip bomb is."""

CUSTOM_OP = 32  # BuiltinOperator.CUSTOM
ITEM_BYTES = {
    "FLOAT64": 8, "INT64": 8, "UINT64": 8, "COMPLEX64": 8, "COMPLEX128": 16,
    "FLOAT32": 4, "INT32": 4, "UINT32": 4,
    "FLOAT16": 2, "INT16": 2, "UINT16": 2, "BFLOAT16": 2,
    "INT8": 1, "UINT8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of one value, for the types that have a whole number of them."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    """As in TensorFlow's schema: `FLOAT32`, `INT8`..."""
    scales: npt.NDArray[np.float32]
    """Empty: not quantized; one: per tensor; more: per channel along `axis`."""
    zero_points: npt.NDArray[np.int64]
    axis: int
    dynamic: bool
    """Whether some dimension is open until run time."""
    bytes: int
    """Of its constant data; 0 where it is computed."""

    @property
    def is_constant(self) -> bool:
        """Whether its values stand in the file."""
        return self.bytes > 0


@dataclass(frozen=True)
class Op:
    """One operation of the graph."""

    name: str
    """`CONV_2D`..., or the name of a custom operation."""
    version: int
    custom: bool
    inputs: tuple[int, ...]
    """Tensor indexes; -1: an optional input left out."""
    outputs: tuple[int, ...]
    options: Table | None = field(repr=False, compare=False, default=None)
    """The operation's own table, e.g. `Conv2DOptions`."""


@dataclass(frozen=True)
class Graph:
    """A subgraph: almost always the only one."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def macs(self, op: Op) -> int:
        """Multiply-accumulates of one operation: convolutions and dense layers, 0 for all others."""
        if op.name not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            return 0
        if len(op.inputs) < 2 or op.inputs[1] < 0 or not op.outputs:  # only a damaged file
            return 0
        weights = self.tensors[op.inputs[1]].shape
        positions = self.tensors[op.outputs[0]].shape[:-1]
        return int(np.prod(weights, dtype=object) * np.prod(positions, dtype=object))


@dataclass(frozen=True)
class ModelFile:
    """A parsed `.tflite` file."""

    path: Path
    size: int
    """Bytes of the file."""
    schema_version: int
    graphs: tuple[Graph, ...]
    metadata: dict[str, bytes]
    """Name -> buffer of each metadata entry."""

    @property
    def main(self) -> Graph:
        """The graph that runs."""
        return self.graphs[0]

    @property
    def min_runtime(self) -> str:
        """The oldest TensorFlow runtime that may load it, as its converter says; only a lower bound."""
        return self.metadata.get("min_runtime_version", b"").rstrip(b"\0").decode("ascii", errors="replace")


def read(path: str | Path) -> ModelFile:
    """Parses a file and checks its structure: offsets, indexes, shapes, sizes of constants.

    Raises:
        ModelFileError: it cannot be read, is no `.tflite` file, or is damaged; the message says where.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise ModelFileError(f"{path} is not a .tflite file: it has {size} bytes")
            if file.read(8)[4:] != b"TFL3":
                raise ModelFileError(f"{path} is not a .tflite file: it does not carry the mark 'TFL3'")
            # Not closed here: the operations' option tables still read from it.
            return _parse(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), path)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error


def _parse(data: Data, path: Path) -> ModelFile:
    try:
        root = Reader(data).root(b"TFL3")
        codes = [_op_code(table) for table in root.tables(1)]
        # Buffers are spans: 500 MB of weights stay where they are.
        buffers = [_buffer(table, len(data)) for table in root.tables(4)]
        graphs = tuple(_graph(table, codes, buffers) for table in root.tables(2))
        if not graphs:
            raise ModelFileError("it has no graph")
        metadata = {}
        for entry in root.tables(6):
            start, length = _pick(buffers, entry.number(1, "I"), "buffer")
            metadata[entry.text(0)] = bytes(data[start : start + min(length, MAX_PART_BYTES)])
    except ModelFileError as error:
        raise ModelFileError(f"{path} is not a sound .tflite file: {error}") from error
    return ModelFile(path, len(data), root.number(0, "I"), graphs, metadata)


def _op_code(table: Table) -> tuple[str, int, bool]:
    # Old files hold the code in a byte, new ones in an int beside it; the larger one counts.
    code = max(table.number(0, "b"), table.number(3, "i"))
    custom = code == CUSTOM_OP
    name = table.text(1) if custom else _op_names().get(code, f"UNKNOWN_{code}")
    return name, table.number(2, "i", 1), custom


def _buffer(table: Table, size: int) -> tuple[int, int]:
    start, length = table.number(1, "Q"), table.number(2, "Q")
    if start <= 1:
        return table.span(0)
    if start + length > size:
        raise ModelFileError(f"a buffer at byte {start} of {length} bytes reaches beyond the file's end")
    return start, length


def _graph(table: Table, codes: list[tuple[str, int, bool]], buffers: list[tuple[int, int]]) -> Graph:
    tensors = tuple(_tensor(t, i, buffers) for i, t in enumerate(table.tables(0)))

    def indexes(owner: Table, slot: int) -> tuple[int, ...]:
        found = tuple(int(i) for i in owner.array(slot, "<i4"))
        for i in found:
            if not -1 <= i < len(tensors):
                raise ModelFileError(f"tensor {i} is asked for, there are {len(tensors)}")
        return found

    ops = []
    for op in table.tables(3):
        name, version, custom = _pick(codes, op.number(0, "I"), "operator code")
        options = None if op.number(3, "B") == 0 else op.table(4)
        ops.append(Op(name, version, custom, indexes(op, 1), indexes(op, 2), options))
    graph = Graph(tensors, tuple(ops), indexes(table, 1), indexes(table, 2))
    if -1 in graph.inputs + graph.outputs or any(-1 in op.outputs for op in ops):
        raise ModelFileError("an input or output is left out")
    return graph


def _tensor(table: Table, index: int, buffers: list[tuple[int, int]]) -> Tensor:
    shape = tuple(int(n) for n in table.array(0, "<i4"))
    signature = tuple(int(n) for n in table.array(7, "<i4"))
    name = table.text(3)
    if any(n < 0 for n in shape):
        raise ModelFileError(f"tensor {index} {name!r} has shape {shape}")
    dtype = _type_names().get(table.number(1, "b"))
    if dtype is None:
        raise ModelFileError(f"tensor {index} {name!r} has the unknown type {table.number(1, 'b')}")
    _, size = _pick(buffers, table.number(2, "I"), "buffer")
    item, sparse = ITEM_BYTES.get(dtype), table.table(6) is not None
    if size and item and not sparse and size != item * int(np.prod(shape, dtype=object)):
        raise ModelFileError(f"tensor {index} {name!r} of shape {shape}, {dtype}, has {size} bytes of data")
    quantization = table.table(4)
    scales = quantization.array(2, "<f4") if quantization else np.empty(0, np.float32)
    zero_points = quantization.array(3, "<i8") if quantization else np.empty(0, np.int64)
    axis = quantization.number(6, "i") if quantization else 0
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise ModelFileError(f"tensor {index} {name!r} of shape {shape} has {len(scales)} scales on axis {axis}")
    return Tensor(index, name, shape, dtype, scales, zero_points, axis, -1 in signature, size)


def _pick(items: list[Any], index: int, what: str) -> Any:
    if index >= len(items):
        raise ModelFileError(f"{what} {index} is asked for, there are {len(items)}")
    return items[index]


@functools.cache
def _op_names() -> dict[int, str]:
    return _names("BuiltinOperator")


@functools.cache
def _type_names() -> dict[int, str]:
    return _names("TensorType")


def _names(enum: str) -> dict[int, str]:
    """Value -> name of an enum of TensorFlow's schema."""
    package = importlib.util.find_spec("tflite")
    if package is None or not package.submodule_search_locations:  # a base dependency
        raise MissingDependencyError("the package tflite is not installed: pip install tflite")
    # Its one module, not the package: that imports some 200 modules, which takes 0.05 to 0.2 s of every `zoo run`.
    path = Path(package.submodule_search_locations[0], f"{enum}.py")
    spec = importlib.util.spec_from_file_location(f"_tflite_{enum}", path)
    assert spec is not None  # noqa: S101  # a name that ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {value: name for name, value in vars(getattr(module, enum)).items() if isinstance(value, int)}


@dataclass(frozen=True)
class Description:
    """Labels and card of a file; empty where it carries none."""

    labels: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def preprocessing(self) -> Preprocessing:
        """The resize policy the model was trained or exported with."""
        policy = self.card.get("preprocessing")
        resize = policy.get("resize") if isinstance(policy, dict) else None
        return Preprocessing(resize) if resize in RESIZES else Preprocessing()


def checksum(path: Path) -> str:
    """Holds the model part of a file against the CRC-32 in its card.

    The card's SHA-256 says more, and takes several times as long: too long for every start of `zoo run`.

    Returns:
        `right`, `wrong`, or `none` where it carries none: this package did not make it.
    """
    claimed = describe(path).card.get("flatbuffer")
    if not isinstance(claimed, dict) or not isinstance(claimed.get("bytes"), int):
        return "none"
    left, crc = claimed["bytes"], 0
    try:
        with path.open("rb") as content:
            while left > 0 and (block := content.read(min(left, 1 << 18))):
                crc = zlib.crc32(block, crc)
                left -= len(block)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    return "right" if left == 0 and crc == claimed.get("crc32") else "wrong"


def describe(path: str | Path) -> Description:
    """Reads labels and card.

    Any TFLite file with embedded metadata has its first `.txt` part taken for the labels; one without gives
    an empty description.

    Raises:
        ModelFileError: the archive is damaged or holds parts of unreasonable size.
    """
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return Description()
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            texts = [name for name in names if name.endswith(".txt")]
            labels_name = LABELS if LABELS in names else next(iter(texts), None)
            labels = _read(archive, labels_name).splitlines() if labels_name else []
            card = json.loads(_read(archive, CARD)) if CARD in names else {}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"the labels and card embedded in {path} are damaged: {error}") from error
    return Description(tuple(labels), card if isinstance(card, dict) else {})


def _read(archive: zipfile.ZipFile, name: str) -> str:
    size = archive.getinfo(name).file_size
    if size > MAX_PART_BYTES:
        raise ValueError(f"{name} claims {size} bytes, the limit is {MAX_PART_BYTES}")
    with archive.open(name) as part:
        return part.read(MAX_PART_BYTES).decode("utf-8")
