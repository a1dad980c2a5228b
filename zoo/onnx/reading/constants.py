"""Tells which tensors of an ONNX graph are constant, and their values where the file has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ModelFileError
from zoo.onnx.reading.model import Constant, Graph, Node

THROUGH = frozenset({"Cast", "DequantizeLinear", "Identity", "QuantizeLinear"})
"""Operations through which a constant is still one: they change how it is stored."""
MAX_STEPS = 16
"""The most such operations between a constant and what takes it."""


class Constants:
    """The constants of a graph and of those around it."""

    def __init__(self, graph: Graph, around: Constants | None = None) -> None:
        self._around = around
        self._stored: Mapping[str, Constant] = graph.constants
        self._makers: dict[str, Node] = {name: node for node in graph.nodes for name in node.outputs if name}

    def __contains__(self, name: str) -> bool:
        """Whether a tensor is a constant, or one that was stored in another way."""
        for _ in range(MAX_STEPS):
            if name in self._stored:
                return True
            node = self._makers.get(name)
            if node is None:
                return self._around is not None and name in self._around
            if node.op == "Constant":
                return True
            if node.op not in THROUGH or not node.inputs:
                return False
            name = node.inputs[0]
        return False

    def value(self, name: str) -> npt.NDArray[Any] | None:
        """Returns the values of a tensor that stands in the file; None if it does not, or they cannot be read."""
        stored = self._stored.get(name)
        if stored is None:
            node = self._makers.get(name)
            if node is None:
                return self._around.value(name) if self._around else None
            return _value_in(node)
        return _values(stored)

    def numbers(self, name: str) -> npt.NDArray[np.float64] | None:
        """Returns the values of a tensor as real numbers; None if `value` has none, or if they are no such."""
        found = self.value(name)
        if found is None or found.dtype.kind == "c":
            return None
        try:
            return np.asarray(found, np.float64)
        except (TypeError, ValueError):
            return None


def _value_in(node: Node) -> npt.NDArray[Any] | None:
    if node.op != "Constant":
        return None
    for value in node.attributes.values():
        return _values(value) if isinstance(value, Constant) else np.asarray(value)
    return None


def _values(constant: Constant) -> npt.NDArray[Any] | None:
    try:
        return constant.values()
    except ModelFileError:
        return None
