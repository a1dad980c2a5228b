"""Puts what was read of an ONNX graph into the form that a `.tflite` file's graph has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import ModelFileError
from zoo.tflite.modelfile import MAX_OPS, MAX_TENSORS, Graph, ModelFile, Op, Tensor

Shape = tuple[int, ...]

OWN_DOMAINS = frozenset({"", "ai.onnx"})
"""The names of ONNX' own operations."""
UNKNOWN = "UNKNOWN"
"""The type of a tensor that the file does not tell."""


@dataclass
class Value:
    """What a file says of one tensor."""

    dtype: str = UNKNOWN
    shape: tuple[int, ...] = ()
    """0 for an axis of an open size."""
    told: bool = False
    """Whether the file tells the shape."""
    bytes: int = 0


@dataclass
class Node:
    """What a file says of one operation."""

    name: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def with_shapes(file: ModelFile, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> ModelFile:
    """Returns a file with the shapes that a runtime found for its inputs and outputs, where the file leaves them open.

    Args:
        file: the file, with one graph.
        inputs: the shape of each input.
        outputs: the shape of each output.
    """
    graph = file.main
    shapes = dict(zip(graph.inputs + graph.outputs, (*inputs, *outputs), strict=True))
    tensors = (
        tensor._replace(shape=shapes[tensor.number], dynamic=False) if tensor.number in shapes else tensor
        for tensor in graph.tensors
    )
    return file._replace(graphs=(graph._replace(tensors=tuple(tensors)),))


def as_graph(values: dict[str, Value], nodes: list[Node], inputs: list[str], outputs: list[str]) -> Graph:
    """Returns a graph in the form of a `.tflite` file's, in which tensors have numbers instead of names."""
    names = dict.fromkeys(values)
    for node in nodes:
        names |= dict.fromkeys(name for name in (*node.inputs, *node.outputs) if name)
    if len(names) > MAX_TENSORS or len(nodes) > MAX_OPS:
        raise ModelFileError(f"it has {len(names):,} tensors and {len(nodes):,} operations")
    places = {name: place for place, name in enumerate(names)}
    tensors = tuple(_tensor(place, name, values.get(name, Value())) for name, place in places.items())
    ops = tuple(
        Op(
            node.name,
            1,
            node.domain not in OWN_DOMAINS,
            tuple(places.get(name, -1) for name in node.inputs),
            tuple(places[name] for name in node.outputs if name),
        )
        for node in nodes
    )
    return Graph(tensors, ops, tuple(places[name] for name in inputs), tuple(places[name] for name in outputs))


def _tensor(place: int, name: str, value: Value) -> Tensor:
    # An open batch is one of 1, and nothing that has to be looked at again.
    is_open = not value.told or (0 in value.shape[1:] and not value.bytes)
    shape = value.shape if value.bytes else tuple(size or 1 for size in value.shape)
    return Tensor(
        place, name, shape, value.dtype, np.empty(0, np.float32), np.empty(0, np.int64), 0, is_open, value.bytes
    )
