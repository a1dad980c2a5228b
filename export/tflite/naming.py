"""Names the Keras layer that an operation of a converted file, or a converter's message, comes from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError, closest
from zoo.graph import layer_name
from zoo.tflite.modelfile import Graph, Op

if TYPE_CHECKING:
    import keras

_PATH = re.compile(r"[\w.>-]+(?:/[\w.>-]+)+")
_COUNTED = re.compile(r"_(?:group)?\d+$")
CONVERSIONS = frozenset({"DEQUANTIZE", "QUANTIZE"})
"""The operations that convert between integers and floats."""
_PART = re.compile(r"_(?:group\d+|logits?)$")
"""Matches how the name of a layer ends that stands for a part of another one in a lowered model."""

_END = re.compile(r"_(?:softmax|sigmoid)$")


class LayerNames:
    """The layers of a model, those of nested models too, to be found by the names of tensors.

    TensorFlow names a tensor `model_1/layer_1/Relu`, by the scopes in which it was made, and counts names that recur.
    """

    def __init__(self, model: keras.Model) -> None:
        self._kinds = {layer.name: type(layer).__name__ for layer in operations_of(model)}
        self._last = layer_name(model.outputs[0]) if len(model.outputs) == 1 else ""

    def of_tensor(self, name: str) -> str:
        """Returns `layer 'x' (Kind)` for the layer that made a tensor; empty where its name does not tell."""
        for path in name.split(";"):
            # The innermost scope that is a layer; the first part is the model, the last the operation.
            for part in reversed(path.split("/")):
                if found := self._find(part):
                    return f"layer {found!r} ({self._kinds[found]})"
        return ""

    def of_op(self, op: Op, graph: Graph) -> str:
        """Returns the same for an operation, by its outputs, else its constants, else what else it reads."""
        inputs = [i for i in op.inputs if i >= 0]
        constants = [i for i in inputs if graph.tensors[i].is_constant]
        names = (self.of_tensor(graph.tensors[i].name) for i in (*op.outputs, *constants, *inputs))
        return next((name for name in names if name), "")

    def nodes_of(self, graph: Graph, layers: Collection[str]) -> list[str]:
        """Returns the names of the tensors that the operations of some layers compute.

        An operation that several layers were fused into is that of each of them.

        Args:
            graph: the graph of a float file.
            layers: the names of the layers.

        Raises:
            ExportError: there is no such layer, or it left no operation in the file.
        """
        for name in layers:
            if not self.named(self._kinds, [name]):
                near = closest(name, self._kinds)
                raise ExportError(f"the model has no layer {name!r} to keep in float; {near}zoo diagnose lists them")
        found: dict[str, list[str]] = {name: [] for name in layers}
        for op in graph.ops:
            for name in self.named(self.all_of_op(op, graph), layers):
                found[name] += [graph.tensors[i].name for i in op.outputs]
        for name, nodes in found.items():
            if not nodes:
                raise ExportError(
                    f"layer {name!r} leaves no operation in the file that could stay float; name the convolution or "
                    "dense layer before it"
                )
        return sorted({node for nodes in found.values() for node in nodes})

    def whole(self, name: str) -> str:
        """Returns the layer that a diagnosis means by `x_softmax` or `x_sigmoid`: the activation inside of a layer."""
        layer = _END.sub("", name)
        return layer if name not in self._kinds and layer in self._kinds else name

    def named(self, found: Iterable[str], wanted: Collection[str]) -> set[str]:
        """Returns which layers of a model are among those found in its lowered form, where one may be several."""
        names = {name for one in found for name in (one, _PART.sub("", one))}
        return names & set(wanted)

    def all_of_op(self, op: Op, graph: Graph) -> set[str]:
        """Returns the names of all layers that were fused into an operation, by its outputs, else its constants.

        The outputs of a file have lost the names of their layers; where there is one, it is the model's last layer.
        """
        constants = [i for i in op.inputs if i >= 0 and graph.tensors[i].is_constant]
        for indexes in (op.outputs, constants):
            found = {name for i in indexes for name in self._all_of_tensor(graph.tensors[i].name)}
            if found:
                return found
        return {self._last} if self._last and set(op.outputs) & _ends(graph) else set()

    def _all_of_tensor(self, name: str) -> set[str]:
        """Returns the names of all layers that the name of a tensor is made of."""
        innermost = (next(filter(None, map(self._find, reversed(path.split("/")))), "") for path in name.split(";"))
        return {one for one in innermost if one}

    def of_message(self, message: str) -> str:
        """Returns the same for the first layer that a message names in the path of a tensor."""
        found = (self.of_tensor(path) for path in _PATH.findall(message))
        return next((name for name in found if name), "")

    def _find(self, part: str) -> str:
        while part not in self._kinds:
            shorter = _COUNTED.sub("", part)
            if shorter == part:
                return ""
            part = shorter
        return part


def _ends(graph: Graph) -> set[int]:
    """Returns the outputs of a graph, and what is only converted to become one."""
    found = set(graph.outputs)
    for op in reversed(graph.ops):
        if op.name in CONVERSIONS and set(op.outputs) <= found:
            found |= set(op.inputs)
    return found


def operations_of(model: keras.Model) -> Iterator[Any]:
    """Yields the layers of a model and the operations called in it, those of nested models too, but no inputs."""
    for operation in getattr(model, "operations", model.layers):
        if hasattr(operation, "layers") and getattr(operation, "outputs", None):
            yield from operations_of(operation)
        elif type(operation).__name__ != "InputLayer":
            yield operation
