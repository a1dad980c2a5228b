"""Keras graphs: walking them, building them anew with the same weights, and building them without weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import OptionError
from zoo.registry import needs_tensorflow

if TYPE_CHECKING:
    import keras

_WAITING = "uninitialized_variables"


@contextlib.contextmanager
def unallocated() -> Iterator[list[Any]]:
    """Models built inside have shapes and no values: VGG-16 takes milliseconds, not gigabytes.

    Yields:
        The variables made so far, those of a model that cannot be built to its end among them.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    with needs_tensorflow():
        import keras
        from keras.src.backend.common import global_state

    made: list[Any] = []
    global_state.set_global_attribute(_WAITING, made)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield made
    finally:
        # Keras keeps such variables in a list (there is no public way to it) and would allocate them later.
        global_state.set_global_attribute(_WAITING, [])


def layer_of(tensor: Any) -> Any:
    """The layer that makes an input or output of a model, also where that layer is in a nested model."""
    made = tensor._keras_history
    while getattr(made.operation, "outputs", None) and hasattr(made.operation, "layers"):
        made = made.operation.outputs[made.tensor_index]._keras_history
    return made.operation


def layer_name(tensor: Any) -> str:
    """The name of that layer, see `layer_of`."""
    return str(layer_of(tensor).name)


def has_graph(layer: Any) -> bool:
    """Whether a layer is a model whose graph is known: a functional one, or a Sequential one that is built."""
    import keras

    return isinstance(layer, keras.Model) and bool(getattr(layer, "inputs", None))


def graph_of(model: Any) -> Any:
    """The functional model that holds the graph of a functional or Sequential model; see `has_graph`."""
    return getattr(model, "_functional", model)


def rebuild(model: keras.Model, call: Any, inputs: keras.KerasTensor | None = None) -> keras.Model:
    """Runs through a model's graph once more, with the same layers, calling each by `call`."""
    import keras

    # Of a Sequential, too: only functional models can be called layer by layer.
    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    functional = keras.Model(model.inputs[0], outputs, name=model.name)
    return keras.models.clone_model(
        functional, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


def rebuild_nested(model: keras.Model, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Rebuilds a nested model with one input by `rebuild` and calls it, in whatever structure its graph is called."""
    import keras

    rebuilt = rebuild(model, call)
    found = rebuilt(*keras.tree.flatten(args), **kwargs)
    return keras.tree.pack_sequence_as(graph_of(model).output, keras.tree.flatten(found))


def head_index(model: keras.Model) -> int:
    """Where the last dense layer stands in `model.layers`.

    Raises:
        OptionError: there is none.
    """
    from keras import layers

    found = [i for i, layer in enumerate(model.layers) if isinstance(layer, layers.Dense)]
    if not found:
        raise OptionError(f"{model.name} has no dense layer to train as its head; use freeze='none'")
    return found[-1]


def split_at_head(model: keras.Model) -> tuple[Any, Any]:
    """The model in two: from pixels to what its head sees, and the head, as models that share its layers.

    The dropout before the last dense layer is part of the head: it changes with every batch.
    """
    import keras

    start = head_index(model)
    while isinstance(model.layers[start - 1], keras.layers.Dropout):
        start -= 1
    seen = model.layers[start].input
    entry = keras.Input(seen.shape[1:], dtype=seen.dtype)
    x = entry
    for layer in model.layers[start:]:
        x = layer(x)
    return keras.Model(model.input, seen), keras.Model(entry, x)
