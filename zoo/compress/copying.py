"""Copies a Keras model layer by layer, with other weights and configurations."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import CompressionError, first_line
from zoo.graph import graph_of, has_graph, rebuild

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.float32]


def copy(
    model: keras.Model,
    config: Callable[[Any], Mapping[str, Any]],
    weights: Callable[[Any], list[Array] | None],
    *,
    without: Container[int] = (),
) -> keras.Model:
    """Returns a model with new layers, which keep their names; the layers of nested models stand in their place.

    Args:
        model: a functional or Sequential model; it is left as it is.
        config: returns what is other in the configuration of a layer's copy.
        weights: returns the weights of a layer's copy; None for those of the layer.
        without: the layers, by their identity, that are left out; what reads one reads its input then.

    Raises:
        CompressionError: the model has no graph, or Keras cannot copy one of its layers.
    """
    import keras

    require_graph(model)
    copies: dict[int, tuple[Any, Any]] = {}
    """The copy of each layer, with the layer, by the layer's identity."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if id(layer) in without:
            return args[0]
        if has_graph(layer):
            return graph_of(layer)._run_through_graph(*args, operation_fn=lambda one: one, call_fn=call)
        if not isinstance(layer, keras.Layer):
            return layer(*args, **kwargs)
        if id(layer) not in copies:
            copies[id(layer)] = type(layer).from_config({**layer.get_config(), **config(layer)}), layer
        return copies[id(layer)][0](*args, **kwargs)

    try:
        made = rebuild(model, call)
        for one, layer in copies.values():
            changed = weights(layer)
            one.set_weights(layer.get_weights() if changed is None else changed)
    except Exception as error:  # Keras and users' own layers raise anything
        raise CompressionError(f"Keras cannot copy the layers of {model.name}: {first_line(error)}") from error
    return made


def require_graph(model: Any) -> None:
    """Refuses a model whose layers cannot be copied one by one.

    Raises:
        CompressionError: the model has no graph.
    """
    if not has_graph(model):
        raise CompressionError(f"{type(model).__name__} is not a functional or built Sequential Keras model")
