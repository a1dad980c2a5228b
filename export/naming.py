"""Names the Keras layer that an operation of a converted file, or a converter's message, comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.tflite.modelfile import Graph, Op

if TYPE_CHECKING:
    import keras

_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+")
_COUNTED = re.compile(r"_\d+$")


class LayerNames:
    """The layers of a model, those of nested models too, to be found by the names of tensors.

    TensorFlow names a tensor `model_1/layer_1/Relu`, by the scopes in which it was made, and counts names that recur.
    """

    def __init__(self, model: keras.Model) -> None:
        self._kinds = {layer.name: type(layer).__name__ for layer in operations_of(model)}

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


def operations_of(model: keras.Model) -> Iterator[Any]:
    """Yields the layers of a model and the operations called in it, those of nested models too, but no inputs."""
    for operation in getattr(model, "operations", model.layers):
        if hasattr(operation, "layers") and getattr(operation, "outputs", None):
            yield from operations_of(operation)
        elif type(operation).__name__ != "InputLayer":
            yield operation
