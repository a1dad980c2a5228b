"""Finds out whether the nodes of an ONNX graph can be computed: all that they take is made, once, and in no circle."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from zoo.errors import ModelFileError
from zoo.tflite.flatbuffer import shortened

if TYPE_CHECKING:
    from zoo.onnx.reading.model import Graph, Node

SHOWN = 3
"""The most nodes of a circle that a message names."""


def require_order(
    nodes: Sequence[Node], given: Collection[str], around: Sequence[Collection[str]], outputs: Sequence[str]
) -> tuple[Node, ...]:
    """Returns the nodes in an order in which they can be computed; the file's own, if it is one.

    Args:
        nodes: the nodes of a graph.
        given: the names of the graph's inputs and constants.
        around: the names of what the graphs around it give and make, one collection for each.
        outputs: the names of the graph's outputs.

    Raises:
        ModelFileError: a tensor is made twice or not at all, or nodes wait for each other.
    """
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in makers or name in given:
                raise ModelFileError(f"{node.called} makes {shortened(name)}, which is there already")
            makers[name] = index
    takes = [taken(node) for node in nodes]
    for node, wanted in zip(nodes, takes, strict=True):
        for name in wanted:
            if not (name in makers or name in given or any(name in names for names in around)):
                raise ModelFileError(f"{node.called} takes {shortened(name)}, which nothing makes")
    for name in outputs:
        if not (name in makers or name in given or any(name in names for names in around)):
            raise ModelFileError(f"nothing makes its output {shortened(name)}")
    waits = [{makers[name] for name in names if name in makers} for names in takes]
    if all(one < index for index, found in enumerate(waits) for one in found):
        return tuple(nodes)
    try:
        order = graphlib.TopologicalSorter(dict(enumerate(waits))).static_order()
        return tuple(nodes[index] for index in order)
    except graphlib.CycleError as error:
        circle = [nodes[index].called for index in error.args[1][: SHOWN + 1]]
        raise ModelFileError(f"its nodes wait for each other: {', '.join(circle)}") from error


def taken(node: Node) -> list[str]:
    """Returns the names that a node takes, those that its inner graphs take from outside included, each once."""
    names = dict.fromkeys(name for name in node.inputs if name)
    for graph in node.graphs:
        names |= dict.fromkeys(_from_outside(graph))
    return list(names)


def _from_outside(graph: Graph) -> list[str]:
    own = set(graph.constants) | {value.name for value in graph.inputs}
    own |= {name for node in graph.nodes for name in node.outputs}
    wanted = [name for node in graph.nodes for name in taken(node)] + [value.name for value in graph.outputs]
    return [name for name in wanted if name not in own]
