"""Scores the channels of a model: how much its answers depend on each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from zoo.compress.prune.channels import Channels, Weighted
from zoo.errors import CompressionError, OptionError

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

Score = Literal["taylor", "gamma"]
Loss = Callable[[Any, Any], Any]
"""A function of targets and a model's outputs, tensors or structures of them, that gives a value for each example,
`(batch,)`."""


def taylor(model: keras.Model, channels: Channels, batches: Iterable[tuple[Any, Any]], loss: Loss) -> Array:
    """Returns how much a loss would change without each channel, to the first order and squared, `(channels,)`.

    That is the score of Molchanov et al., Importance Estimation for Neural Network Pruning, 2019
    (https://arxiv.org/abs/1906.10771): the derivative of the loss by a factor in front of the channel, here the sum of
    weight times gradient over all weights that read the channel, squared, and the mean of that over the batches.

    Args:
        model: the model.
        channels: its channels.
        batches: inputs and targets; small batches, since the squares are those of a batch's mean.
        loss: the loss.

    Raises:
        OptionError: there are no batches.
        CompressionError: the derivatives are not finite numbers, or all are zero.
    """
    import tensorflow as tf

    readers = [one for one in channels.layers if one.kind in {"dense", "grouped", "separable"}]
    kernels = [_kernel(one).value for one in readers]

    def shares_of(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            value = tf.reduce_mean(loss(targets, model(inputs, training=False)))
        gradients = tape.gradient(value, kernels, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [
            _by_channel(kernel * gradient, one.groups)
            for one, kernel, gradient in zip(readers, kernels, gradients, strict=True)
        ]

    shares = tf.function(shares_of, reduce_retracing=True)
    total, count = np.zeros(channels.count), 0
    for inputs, targets in batches:
        found = np.zeros(channels.count)
        for one, share in zip(readers, shares(inputs, targets), strict=True):
            np.add.at(found, one.ins, np.asarray(share, np.float64).reshape(len(one.ins), -1).sum(axis=1))
        total, count = total + found**2, count + 1
    if not count:
        raise OptionError("channels are scored on pictures, and there are none; give some, or score='gamma'")
    if not np.isfinite(total).all() or not total.any():
        raise CompressionError(
            f"the channels of {model.name} cannot be scored: the derivatives of its loss are "
            f"{'all zero' if np.isfinite(total).all() else 'no finite numbers'}; is it trained for these pictures?"
        )
    return total / count


def gamma(model: keras.Model, channels: Channels) -> Array:
    """Returns the mean size of the scales that batch normalization gives each channel, `(channels,)`.

    That is the score of Liu et al., Learning Efficient Convolutional Networks through Network Slimming, 2017
    (https://arxiv.org/abs/1708.06519). It needs no pictures.

    Raises:
        OptionError: channels that could be removed have no batch normalization.
    """
    total, count = np.zeros(channels.count), np.zeros(channels.count)
    for one in channels.layers:
        scales = getattr(one.layer, "gamma", None) if one.kind == "vector" else None
        if scales is not None:
            np.add.at(total, one.outs, np.abs(np.asarray(scales, np.float64)))
            np.add.at(count, one.outs, 1)
    for family in channels.families:
        if not count[family.channels].all():
            raise OptionError(
                f"score='gamma' is not for {model.name}: no batch normalization scales the channels of {family.name}; "
                "give pictures, on which score='taylor' measures"
            )
    return total / np.maximum(count, 1)


def _kernel(one: Weighted) -> Any:
    return one.layer.pointwise_kernel if one.kind == "separable" else one.layer.kernel


def _by_channel(products: Any, groups: int) -> Any:
    """Returns the sum of a kernel's products for each channel that is read, `(channels,)`, group after group."""
    import tensorflow as tf

    channels, filters = products.shape[-2], products.shape[-1]
    split = tf.reshape(products, (-1, channels, groups, filters // groups))
    return tf.reshape(tf.transpose(tf.reduce_sum(split, axis=(0, 3))), (-1,))
