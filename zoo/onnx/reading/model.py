"""What an `.onnx` file holds, as values: its graph, nodes, tensors and metadata; `zoo.onnx.reading.file` reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ModelFileError
from zoo.onnx.extra import module
from zoo.tflite.flatbuffer import shortened

Dimension = int | str | None
"""A size, the name of one that is open, or None for one that is open without a name."""


@dataclass(frozen=True)
class Value:
    """An input, an output, or another tensor whose type the file states."""

    name: str
    dtype: str
    """Data type, named as in NumPy, such as `float32`; empty for what is no tensor."""
    shape: tuple[Dimension, ...] | None
    """None where the file does not say it."""

    @property
    def is_fixed(self) -> bool:
        """Whether every size is a number."""
        return self.shape is not None and all(isinstance(size, int) for size in self.shape)


@dataclass(frozen=True)
class Constant:
    """A tensor whose values stand in the file: an initializer, or the value of an operation `Constant`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    """Size of its values in the file, in bytes."""
    proto: Any = field(repr=False, compare=False, default=None)

    def values(self) -> npt.NDArray[Any]:
        """Returns the values as an array of `shape`.

        Raises:
            ModelFileError: the file has fewer or more of them than the shape says, or of a type that NumPy has not.
        """
        try:
            return np.asarray(module("onnx.numpy_helper", "reading an .onnx file").to_array(self.proto))
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ModelFileError(f"constant {shortened(self.name)} has other values than its shape says") from error


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    name: str
    op: str
    """The operation's name, such as `Conv`."""
    domain: str
    """The operation set that it is of; empty for ONNX' own."""
    inputs: tuple[str, ...]
    """Names of tensors; empty for an optional input that is left out."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(repr=False, default_factory=dict)
    """Numbers, texts, tuples of such, `Constant` and `Graph`."""

    @property
    def called(self) -> str:
        """The node as a message calls it."""
        name = self.name or next((name for name in self.outputs if name), "")
        return f"{shortened(self.op)[1:-1]} {shortened(name)}"

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs in its attributes, those of branches and loops."""
        return tuple(one for one in self.attributes.values() if isinstance(one, Graph))


@dataclass(frozen=True)
class Graph:
    """A graph; only nodes such as `If` and `Loop` have further ones."""

    name: str
    nodes: tuple[Node, ...]
    """The operations, each behind those whose results it takes."""
    inputs: tuple[Value, ...]
    """The inputs that a caller has to give; those with a default in `constants` are left out."""
    outputs: tuple[Value, ...]
    constants: dict[str, Constant]
    values: dict[str, Value]
    """The further tensors whose types the file states, by their names."""


@dataclass(frozen=True)
class OnnxFile:
    """A parsed `.onnx` file."""

    path: Path
    size: int
    """Size of the file in bytes."""
    ir_version: int
    producer: str
    """The program that wrote the file, with its version; empty if it does not say so."""
    opsets: dict[str, int]
    """The version of each operation set by its domain; ONNX' own is under the empty name."""
    graph: Graph
    metadata: dict[str, str]
    """What stands in `metadata_props`."""

    @property
    def opset(self) -> int:
        """The version of ONNX' own operation set; 0 if the file uses none of its operations."""
        return self.opsets.get("", 0)

    def all_graphs(self) -> list[Graph]:
        """Returns the graph and all that are inside of it."""
        found = [self.graph]
        for graph in found:
            found += [inner for node in graph.nodes for inner in node.graphs]
        return found

    def op_counts(self) -> list[tuple[str, int]]:
        """Returns (operation, number of uses), most frequent first; the domain stands before names of other sets."""
        counts = Counter(
            f"{node.domain}.{node.op}" if node.domain else node.op
            for graph in self.all_graphs()
            for node in graph.nodes
        )
        return counts.most_common()
