"""Lets an ONNX graph with raw pixels in take pixels that a program has prepared: it undoes that first.

What a program does, the inverse of it, and what the graph itself does to each channel first are each a factor and an
offset a channel; they become one step, or none where they cancel out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PIXELS = "raw_pixels"
"""What the tensor of raw pixels is called, where the graph keeps one."""
NOTHING = 1e-6
"""By how much a factor may differ from 1, and an offset from 0, to be left out: what float32 resolves."""


def take_prepared(model: Any, name: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """Changes a model in place, so that its input is `(x / 255 - mean) / std` of the raw pixels x that it takes now.

    Args:
        model: an `onnx.ModelProto` with one input of the shape (1, channels, height, width), float32.
        name: what the input is called afterwards; no other tensor has this name.
        mean: of each channel, as a share of 255.
        std: of each channel, as a share of 255.
    """
    graph = model.graph
    raw = graph.input[0].name
    scale, offset = 255 * np.asarray(std, np.float64), 255 * np.asarray(mean, np.float64)
    last = raw
    for node, factor, addend in _own_steps(graph, raw, len(scale)):
        scale, offset, last = scale * factor, offset * factor + addend, node.output[0]
        graph.node.remove(node)
    if last == raw:
        last = PIXELS
        rename(graph, raw, last)
    graph.input[0].name = name
    for at, node in enumerate(_steps(graph, name, last, scale, offset)):
        graph.node.insert(at, node)
    _drop_unused(graph)


def rename(graph: Any, old: str, new: str) -> None:
    """Gives a tensor another name in all nodes of a graph; the graph's own inputs and outputs keep theirs."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def constant(graph: Any, name: str, values: Any, dtype: Any = np.float32) -> str:
    """Adds a constant to a graph, and returns its name."""
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype), name))
    return name


def _own_steps(graph: Any, name: str, channels: int) -> list[tuple[Any, Array, Array]]:
    """Returns the nodes that begin a graph and treat each channel alone, with their factors and offsets, float64."""
    from onnx import numpy_helper

    constants = {one.name: one for one in graph.initializer}
    kept = {one.name for one in graph.output}
    found: list[tuple[Any, Array, Array]] = []
    while name not in kept:
        readers = [node for node in graph.node if name in node.input]
        if len(readers) != 1 or readers[0].op_type not in {"Mul", "Add", "Sub", "Div"}:
            break
        (node,) = readers
        first = node.input[0] == name
        other = node.input[1 if first else 0]
        if other not in constants:
            break
        try:
            value = np.broadcast_to(numpy_helper.to_array(constants[other]), (1, channels, 1, 1)).reshape(-1)
        except ValueError:  # other values for other places of the picture
            break
        if node.op_type == "Div" and not first:
            break
        found.append((node, *_affine(node.op_type, value.astype(np.float64), first)))
        name = node.output[0]
    return found


def _affine(op: str, value: Array, first: bool) -> tuple[Array, Array]:
    """Returns factor and offset of a step of one operation; `first` says whether the pixels stand before the value."""
    one, zero = np.ones_like(value), np.zeros_like(value)
    if op == "Mul":
        return value, zero
    if op == "Div":
        return 1 / value, zero
    if op == "Add":
        return one, value
    return (one, -value) if first else (-one, value)


def _steps(graph: Any, start: str, end: str, scale: Array, offset: Array) -> list[Any]:
    """Returns the nodes from one tensor to another; where there is nothing to do, those behind it read the first."""
    from onnx import helper

    steps = []
    if np.abs(scale - 1).max() > NOTHING:
        steps.append(("Mul", constant(graph, "pixels_scale", scale.reshape(1, -1, 1, 1))))
    if np.abs(offset).max() > NOTHING:
        steps.append(("Add", constant(graph, "pixels_offset", offset.reshape(1, -1, 1, 1))))
    if not steps:
        rename(graph, end, start)
    nodes = []
    for number, (op, value) in enumerate(steps, start=1):
        result = end if number == len(steps) else "pixels_scaled"
        nodes.append(helper.make_node(op, [start, value], [result], name=result))
        start = result
    return nodes


def _drop_unused(graph: Any) -> None:
    """Removes constants that no node reads any more, and what is known of tensors that are no more."""
    read = {name for node in graph.node for name in node.input}
    made = {name for node in graph.node for name in node.output}
    for one in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(one)
    for one in [one for one in graph.value_info if one.name not in made]:
        graph.value_info.remove(one)
