"""What a model's answers are, by the layer it ends in; and a single sigmoid made into two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ExportError
from zoo.graph import has_graph, rebuild, rebuild_nested
from zoo.tasks import Task
from zoo.tasks.agreement import DECISION, Answers
from zoo.tasks.classification import Classification

if TYPE_CHECKING:
    import keras

_PASSED = {"Reshape", "Flatten", "Dropout", "Identity", "Permute", "Squeeze", "Cast", "ActivityRegularization"}
"""Layers and operations behind which the same numbers stand as before."""
_LINEAR = {"Dense", "Conv1D", "Conv2D", "SeparableConv2D", "EinsumDense"}
"""Layers whose outputs without an activation are logits, where a model ends in them."""


@dataclass(frozen=True)
class Ending:
    """The last layer of a model that computes anything."""

    operation: Any
    activation: str
    """Name of its activation: `softmax`, `sigmoid`, `linear`, or that of another one; empty where it has none."""

    @property
    def answers(self) -> Answers:
        """What the numbers behind it say, see `zoo.tasks.agreement.Answers`."""
        if self.activation == "softmax" or (self.activation == "linear" and type(self.operation).__name__ in _LINEAR):
            return "class"
        return "labels" if self.activation == "sigmoid" else "values"


def ending_of(model: keras.Model) -> Ending:
    """Returns what a model's first output comes from, through nested models and layers that change shapes alone."""
    tensor = model.outputs[0]
    while True:
        made = tensor._keras_history
        operation = made.operation
        if getattr(operation, "outputs", None) and hasattr(operation, "layers"):
            tensor = operation.outputs[made.tensor_index]
            continue
        kind, activation = type(operation).__name__, _activation(operation)
        parents = operation._inbound_nodes[made.node_index].input_tensors
        if (kind in _PASSED or (kind == "Activation" and activation == "linear")) and len(parents) == 1:
            tensor = parents[0]
            continue
        return Ending(operation, activation)


def _activation(operation: Any) -> str:
    kind = type(operation).__name__
    if kind in {"Softmax", "Sigmoid"}:  # layers, and operations called in the model itself
        return kind.lower()
    return str(getattr(getattr(operation, "activation", None), "__name__", ""))


def as_task(model: keras.Model, task: Task[Any]) -> tuple[keras.Model, Task[Any]]:
    """Returns a classifier with its two classes, and the task with the measure that suits the model's answers.

    Other tasks than classification bring their own measure, and their models stay as they are.

    Raises:
        ExportError: see `with_two_classes`.
    """
    if not isinstance(task, Classification):
        return model, task
    model = with_two_classes(model)
    return model, task._replace(answers=ending_of(model).answers)


def output_of(model: keras.Model, task: Task[Any], *, logits: bool) -> str:
    """Returns what the outputs are, in words, for the card."""
    if not isinstance(task, Classification):
        return "as the model ends"
    ending = ending_of(model)
    if ending.answers == "class":
        return "logits" if logits or ending.activation != "softmax" else "probabilities of the classes"
    return "independent probabilities of the labels" if ending.answers == "labels" else "values, no scores of classes"


def notes_of(model: keras.Model, made: keras.Model, task: Task[Any], labels: Sequence[str]) -> list[str]:
    """Returns what the user should know of a model's answers, one line each.

    Args:
        model: as it was given.
        made: what `as_task` made of it.
        task: see there.
        labels: the names of the classes.
    """
    if made is not model:
        return [
            f"{model.name} ends in one sigmoid, which the file turns into the scores of two classes: {labels[0]!r} "
            f"where it is near 0, {labels[1]!r} where it is near 1"
        ]
    answers = task.answers if isinstance(task, Classification) else "class"
    if answers == "labels":
        return [
            f"{model.name} ends in sigmoids (multi-label): its scores are independent of each other, several labels "
            f"may be there at once, or none; each is decided at {DECISION}"
        ]
    if answers == "values":
        return [
            f"{model.name} does not end in scores of classes (softmax, sigmoid or logits): its outputs are values, "
            "such as an embedding, and are compared as such"
        ]
    return []


def with_two_classes(model: keras.Model) -> keras.Model:
    """Returns a classifier that ends in a single sigmoid as one of two classes, and any other as it is.

    The two scores are 1 - p and p, where p is the sigmoid: classes 0 and 1, as `binary_crossentropy` numbers them.
    Both come from a softmax of -z/2 and z/2, where z is the sigmoid's logit.

    Raises:
        ExportError: it ends in a single number that is no sigmoid: nothing tells a logit from a quantity.
    """
    import keras

    if len(model.outputs) != 1 or model.outputs[0].shape[-1] != 1:
        return model
    ending = ending_of(model)
    if ending.activation != "sigmoid":
        raise ExportError(
            f"{model.name} ends in a single number without a sigmoid ({type(ending.operation).__name__} "
            f"{ending.operation.name!r}), which names no class. If it was trained on logits (from_logits=True), add "
            "keras.layers.Activation('sigmoid') to it and save it again"
        )

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer is ending.operation:
            return _two(layer, args[0])
        if has_graph(layer) and len(layer.inputs) == 1:
            return rebuild_nested(layer, call, *args, **kwargs)
        if type(layer).__name__ == "Reshape" and layer.target_shape[-1:] == (1,) and args[0].shape[-1] == 2:
            return keras.layers.Reshape((*layer.target_shape[:-1], 2), name=layer.name)(args[0])
        return layer(*args, **kwargs)

    return rebuild(model, call)


def _two(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """The softmax of two classes that stands for a sigmoid layer; `x` is what goes into that layer."""
    import keras

    halves = np.array([-0.5, 0.5], np.float32)
    dense = keras.layers.Dense(2, activation="softmax", name=layer.name)
    dense.build(x.shape)
    if type(layer).__name__ == "Dense":
        kernel, bias = layer.kernel, layer.bias if layer.use_bias else np.zeros(1, np.float32)
        dense.set_weights([np.asarray(kernel) * halves, np.asarray(bias) * halves])
        return dense(x)
    if hasattr(layer, "kernel"):  # a convolution; its logit is one channel of every position
        config = layer.get_config() | {"activation": "linear", "name": f"{layer.name}_logit"}
        twin = type(layer).from_config(config)
        twin.build(x.shape)
        twin.set_weights(layer.get_weights())
        x = twin(x)
        dense = keras.layers.Dense(2, activation="softmax", name=layer.name)
        dense.build(x.shape)
    dense.set_weights([halves[np.newaxis], np.zeros(2, np.float32)])
    return dense(x)
