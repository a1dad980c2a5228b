"""Tells from a model's weights alone whether it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def is_untrained(model: keras.Model) -> bool:
    """Whether the weights are still those of a fresh build.

    Keras starts every bias at exactly zero, and one step of training moves it. A model without any bias
    counts as trained.
    """
    biases = [w for w in model.weights if w.path.rsplit("/", 1)[-1] in {"bias", "beta", "moving_mean"}]
    return bool(biases) and not any(w.numpy().any() for w in biases)
