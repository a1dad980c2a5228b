"""Blocks that the architectures share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

RELU_INIT = "he_normal"
"""Keeps the signal's variance through ReLU layers (He et al. 2015, https://arxiv.org/abs/1502.01852)."""


def depthwise_init(kernel: int) -> keras.initializers.Initializer:
    """He initialization of a depthwise kernel: each output sees `kernel` squared inputs, not all channels."""
    import keras

    return keras.initializers.RandomNormal(stddev=math.sqrt(2) / kernel)


def image_input(size: int, channels: int = 3) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input of every image model and its scaled form.

    Returns:
        `(pixels, scaled)`: raw pixels 0..255 `(batch, size, size, channels)`, and the same in [-1, 1]. The
        scaling is the model's first layer, so no caller ever preprocesses.
    """
    import keras

    pixels = keras.Input((size, size, channels), name="pixels")
    return pixels, keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(pixels)


def classifier_head(x: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """Dense layer and softmax: features `(batch, n)` -> probabilities `(batch, num_classes)`.

    The softmax is a layer of its own, so that an export can leave it out.
    """
    from keras import layers

    x = layers.Dense(num_classes, name="logits")(x)
    return layers.Softmax(name="softmax")(x)


def make_divisible(value: float, divisor: int = 8) -> int:
    """Rounds a channel count to a multiple of `divisor`, never more than 10% below `value`.

    From the MobileNet reference code (TF slim, `nets/mobilenet/mobilenet.py`).
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
