"""Tells from a model's weights alone whether it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def is_untrained(model: keras.Model) -> bool:
    """Whether the weights are still those of a fresh build.

    Keras starts every bias at exactly zero, or at the constant that its layer names, and one step of training moves it.
    A model without any bias counts as trained.
    """
    starts = {id(layer.bias): _start(layer) for layer in model._flatten_layers() if hasattr(layer, "bias")}
    biases = [w for w in model.weights if w.path.rsplit("/", 1)[-1] in {"bias", "beta", "moving_mean"}]
    return bool(biases) and all((w.numpy() == starts.get(id(w), 0)).all() for w in biases)


def _start(layer: Any) -> Any:
    """Returns the value of all numbers of a layer's bias in a fresh build."""
    value = getattr(getattr(layer, "bias_initializer", None), "value", 0)
    return np.float32(value) if isinstance(value, int | float) else 0
