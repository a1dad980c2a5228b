"""MobileNetV2. Sandler et al.: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018.

https://arxiv.org/abs/1801.04381, table 2. With `padding="same"` every even input size gives exactly the outputs
of keras.applications' MobileNetV2, whose weights fit in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.layers import RELU_INIT, classifier_head, depthwise_init, image_input, make_divisible
from zoo.registry import register
from zoo.specs import ModelSpec, Option, dropout, num_classes

if TYPE_CHECKING:
    import keras

PUBLISHED_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)

FIRST_FILTERS = 32
# Expansion t, output channels c, repeats n, stride s of the first of them.   # input at 224x224
BLOCKS = (
    (1, 16, 1, 1),  # 112x112x32
    (6, 24, 2, 2),  # 112x112x16
    (6, 32, 3, 2),  # 56x56x24
    (6, 64, 4, 2),  # 28x28x32
    (6, 96, 3, 1),  # 14x14x64
    (6, 160, 3, 2),  # 14x14x96
    (6, 320, 1, 1),  # 7x7x160
)
LAST_FILTERS = 1280


@register(
    ModelSpec(
        name="mobilenet_v2",
        summary="inverted residual blocks; the one to take for a board",
        paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018",
        url="https://arxiv.org/abs/1801.04381",
        input_shape=(224, 224, 3),
        params=3_538_984,
        macs=300_774_272,
        options=(
            num_classes(),
            Option(
                "alpha",
                "width multiplier of all layers",
                kind=float,
                above=0,
                published=PUBLISHED_ALPHAS,
                in_name="{:g}",
            ),
            Option("input_size", "width and height of the pictures", minimum=32, multiple_of=32, in_name="{}"),
            dropout(),
        ),
    )
)
def mobilenet_v2(
    *, num_classes: int = 1000, alpha: float = 1.0, input_size: int = 224, dropout: float = 0.2
) -> keras.Model:
    """Builds MobileNetV2; `alpha` scales the channels of all layers, of the last convolution only above 1."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = layers.Conv2D(
        make_divisible(FIRST_FILTERS * alpha),
        3,
        2,
        padding="same",
        use_bias=False,
        kernel_initializer=RELU_INIT,
        name="Conv1",
    )(x)
    x = _batch_norm("bn_Conv1")(x)
    x = layers.ReLU(6, name="Conv1_relu")(x)
    i = 0
    for expansion, channels, repeats, first_stride in BLOCKS:
        for n in range(repeats):
            stride = first_stride if n == 0 else 1
            x = _inverted_residual(x, expansion, make_divisible(channels * alpha), stride, i)
            i += 1
    x = layers.Conv2D(
        make_divisible(LAST_FILTERS * max(1.0, alpha)),
        1,
        use_bias=False,
        kernel_initializer=RELU_INIT,
        name="Conv_1",
    )(x)
    x = _batch_norm("Conv_1_bn")(x)
    x = layers.ReLU(6, name="out_relu")(x)
    x = layers.GlobalAveragePooling2D(name="global_average_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def _inverted_residual(x: keras.KerasTensor, expansion: int, filters: int, stride: int, i: int) -> keras.KerasTensor:
    """Block `i` of the paper's figure 4: 1x1 expand, 3x3 depthwise, 1x1 project without an activation."""
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
        x = _batch_norm(f"bn{i}_conv_bn_expand")(x)
        x = layers.ReLU(6, name=f"conv_{i}_relu")(x)
    x = layers.DepthwiseConv2D(
        3,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=depthwise_init(3),
        name=f"mobl{i}_conv_depthwise",
    )(x)
    x = _batch_norm(f"bn{i}_conv_depthwise")(x)
    x = layers.ReLU(6, name=f"conv_dw_{i}_relu")(x)
    x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=RELU_INIT, name=f"mobl{i}_conv_project")(x)
    x = _batch_norm(f"bn{i}_conv_bn_project")(x)
    if stride == 1 and in_channels == filters:
        x = layers.Add(name=f"res_connect_{i}")([block_input, x])
    return x


def _batch_norm(name: str) -> keras.layers.BatchNormalization:
    from keras import layers

    return layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)
