"""Measures the statistics of batch normalization anew, after the layers before it were changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def renew_norms(model: keras.Model, batches: Iterable[Any]) -> int:
    """Sets mean and variance of all batch normalization to the means over batches; returns the number of such layers.

    Fewer channels before a convolution give its outputs other means and variances than those that its batch
    normalization has learned. A model without batch normalization, or without batches, stays as it is.

    Args:
        model: the model, whose layers are changed.
        batches: inputs, of as many examples as in a training, each `(batch, *input_shape)`.
    """
    import keras
    import tensorflow as tf

    norms = [one for one in model._flatten_layers() if isinstance(one, keras.layers.BatchNormalization)]
    before = [(one.momentum, one.trainable) for one in norms]
    totals: list[Any] = []
    count = 0
    try:
        for one in norms:
            one.momentum, one.trainable = 0.0, True  # what a batch leaves behind is its own mean and variance
        run = tf.function(lambda inputs: model(inputs, training=True), reduce_retracing=True)
        for inputs in batches if norms else ():
            run(inputs)
            found = [np.asarray(value, np.float64) for one in norms for value in (one.moving_mean, one.moving_variance)]
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
            count += 1
    finally:
        for one, (momentum, trainable) in zip(norms, before, strict=True):
            one.momentum, one.trainable = momentum, trainable
    if count:
        for i, one in enumerate(norms):
            one.moving_mean.assign(totals[2 * i] / count)
            one.moving_variance.assign(totals[2 * i + 1] / count)
    return len(norms)
