"""Blocks that the architectures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

RELU_INIT = "he_normal"
"""Initializer that keeps a signal's variance through ReLU layers (He et al. 2015, https://arxiv.org/abs/1502.01852)."""


def depthwise_init(kernel: int) -> keras.initializers.Initializer:
    """He initialization of a depthwise kernel: each output sees `kernel` squared inputs, not all channels."""
    import keras

    return keras.initializers.RandomNormal(stddev=math.sqrt(2) / kernel)


def image_input(
    size: int,
    channels: int = 3,
    *,
    scaling: tuple[float, float] = (1 / 127.5, -1),
    mean: Sequence[float] | None = None,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Makes the input of every image model, and its scaled form.

    Args:
        size: width and height in pixels.
        channels: 3 for RGB, 1 for gray.
        scaling: a factor, and what is added to the product.
        mean: a mean pixel 0..255 to subtract, by a layer of its own behind the scaling to [-1, 1]: an int8 file's input
            carries one scale and offset for all channels, and a padding of zeros behind it stands for the mean colour.

    Returns:
        `(pixels, scaled)`: raw pixels 0..255 `(batch, size, size, channels)`, and the same scaled, by default to
        [-1, 1]; with a mean, less the mean in that scale. The scaling is the model's first layer, so no caller ever
        preprocesses.
    """
    import keras

    scale, offset = scaling
    pixels = keras.Input((size, size, channels), name="pixels")
    scaled = keras.layers.Rescaling(scale, offset=offset, name="rescale")(pixels)
    if mean is None:
        return pixels, scaled
    centre = [-scale * one - offset for one in mean]
    return pixels, keras.layers.Rescaling(1.0, offset=centre, name="center")(scaled)


def classifier_head(x: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """Adds a dense layer and a softmax: features `(batch, n)` -> probabilities `(batch, num_classes)`.

    The softmax is a separate layer, so that an export can leave it out.
    """
    from keras import layers

    x = layers.Dense(num_classes, name="logits")(x)
    return layers.Softmax(name="softmax")(x)


def make_divisible(value: float, divisor: int = 8) -> int:
    """Rounds a channel count to a multiple of `divisor`, never more than 10% below `value`.

    The rule is that of the MobileNet reference code (TF slim, `nets/mobilenet/mobilenet.py`).
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def inverted_residual(x: keras.KerasTensor, expansion: int, filters: int, stride: int, i: int) -> keras.KerasTensor:
    """Adds block `i` of MobileNetV2: 1x1 expand, 3x3 depthwise, 1x1 project without an activation.

    Sandler et al. 2018, https://arxiv.org/abs/1801.04381, figure 4.

    Args:
        x: feature maps `(batch, height, width, channels)`.
        expansion: the factor by which the block widens its input; 1 leaves the first convolution out.
        filters: channels of the output.
        stride: the stride of the depthwise convolution. With 1, and as many channels out as in, the input is added.
        i: the index of the block in the model, counted from 0, for the layers' names.
    """
    from keras import layers

    block_input = x
    in_channels = x.shape[-1]
    if expansion != 1:
        x = layers.Conv2D(
            expansion * in_channels,
            1,
            use_bias=False,
            kernel_initializer=RELU_INIT,
            name=f"mobl{i}_conv_expand",
        )(x)
        x = batch_norm(f"bn{i}_conv_bn_expand")(x)
        x = layers.ReLU(6, name=f"conv_{i}_relu")(x)
    x = layers.DepthwiseConv2D(
        3,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=depthwise_init(3),
        name=f"mobl{i}_conv_depthwise",
    )(x)
    x = batch_norm(f"bn{i}_conv_depthwise")(x)
    x = layers.ReLU(6, name=f"conv_dw_{i}_relu")(x)
    x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=RELU_INIT, name=f"mobl{i}_conv_project")(x)
    x = batch_norm(f"bn{i}_conv_bn_project")(x)
    if stride == 1 and in_channels == filters:
        x = layers.Add(name=f"res_connect_{i}")([block_input, x])
    return x


def batch_norm(name: str, *, epsilon: float = 1e-3) -> keras.layers.BatchNormalization:
    """Adds batch normalization with the constants of keras.applications' MobileNetV2, or another epsilon."""
    from keras import layers

    return layers.BatchNormalization(epsilon=epsilon, momentum=0.999, name=name)
