"""SSDLite on MobileNetV2, a detector for boards.

Liu et al., SSD: Single Shot MultiBox Detector, 2016 (https://arxiv.org/abs/1512.02325); SSDLite is from Sandler et al.,
MobileNetV2, 2018 (https://arxiv.org/abs/1801.04381), section 6.2: the head's 3x3 convolutions are separable. The head
for small objects is a feature pyramid: Lin et al., 2017 (https://arxiv.org/abs/1612.03144). The initial bias of the
scores is from Lin et al., Focal Loss, 2017 (https://arxiv.org/abs/1708.02002), section 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.detector_recipes import RECIPE, TRANSFER_RECIPE
from zoo.models.layers import depthwise_init, image_input, make_divisible
from zoo.models.mobilenet_v2 import BACKBONE, BODY_WEIGHTS, body
from zoo.registry import register
from zoo.specs import ModelSpec, Option

if TYPE_CHECKING:
    import keras

STRIDE_8, STRIDE_16, STRIDE_32 = "conv_6_relu", "conv_13_relu", "out_relu"
"""The layers of the body that the head begins at: the widened maps before the body halves their size."""
EXTRA_FILTERS = (512, 256)
"""Channels of the two levels behind the body, of strides 64 and 128."""
PYRAMID_FILTERS = 96
"""Channels of all levels of the pyramid, at any width of the body."""
HEAD_MOMENTUM = 0.9
"""Momentum of the head's batch normalization. Keras' 0.99 needs more steps than a small data set has."""
RARE = -4.6
"""Initial bias of the scores: the sigmoid of it is 1%, since nearly all anchors show nothing."""


@register(
    ModelSpec(
        name="ssdlite_mobilenet_v2",
        summary="finds objects and their boxes; MobileNetV2 with the head of SSDLite",
        paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018",
        url="https://arxiv.org/abs/1801.04381",
        input_shape=(320, 320, 3),
        params=3_775_872,
        macs=781_479_296,
        options=(
            Option("num_classes", "number of classes", minimum=1),
            Option("alpha", "width multiplier of all layers", kind=float, above=0, in_name="{:g}"),
            Option("input_size", "width and height of the pictures", minimum=32, multiple_of=32, in_name="{}"),
            Option(
                "small_objects",
                "adds a level with a stride of 8 pixels, by a feature pyramid",
                kind=bool,
                in_name="small",
            ),
        ),
        task="detection",
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=BODY_WEIGHTS,
        backbone=BACKBONE,
    )
)
def ssdlite_mobilenet_v2(
    *, num_classes: int = 80, alpha: float = 1.0, input_size: int = 320, small_objects: bool = False
) -> keras.Model:
    """Builds the detector, with two outputs for each of its anchors.

    `boxes`, `(batch, anchors, 4)`, are coded relative to the anchors as SSD does it; `scores`,
    `(batch, anchors, num_classes)`, are independent probabilities, without one of the background.
    """
    import keras
    from keras import layers

    from zoo.models.anchored import NAME, PER_CELL, Anchors
    from zoo.tasks.anchors import default_shapes

    pixels, x = image_input(input_size)
    backbone = keras.Model(pixels, body(x, alpha))
    levels = _pyramid(backbone) if small_objects else _levels(backbone, alpha)
    prefix = "fpn" if small_objects else "ssd"
    boxes, scores = [], []
    for i, level in enumerate(levels):
        count = level.shape[1] * level.shape[2] * PER_CELL
        one = _depthwise(level, 1, f"{prefix}_box{i}")
        one = layers.Conv2D(PER_CELL * 4, 1, kernel_initializer=_narrow(), name=f"{prefix}_box{i}")(one)
        boxes.append(layers.Reshape((count, 4), name=f"{prefix}_box{i}_rows")(one))
        one = _depthwise(level, 1, f"{prefix}_class{i}")
        one = layers.Conv2D(
            PER_CELL * num_classes,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(RARE),
            name=f"{prefix}_class{i}",
        )(one)
        scores.append(layers.Reshape((count, num_classes), name=f"{prefix}_class{i}_rows")(one))
    # Reshaping, joining and the sigmoid stand last, so that an accelerator that lacks one of them runs all before it.
    all_boxes = layers.Concatenate(axis=1, name=f"{prefix}_boxes")(boxes)
    all_scores = layers.Concatenate(axis=1, name=f"{prefix}_scores")(scores)
    grids = [(level.shape[1], level.shape[2]) for level in levels]
    all_boxes = Anchors(grids, default_shapes(len(grids)), name=NAME)(all_boxes)
    return keras.Model(pixels, [all_boxes, layers.Activation("sigmoid", dtype="float32", name="scores")(all_scores)])


def _levels(backbone: keras.Model, alpha: float) -> list[keras.KerasTensor]:
    """Returns the feature maps of SSDLite, of strides 16, 32, 64 and 128."""
    found = [backbone.get_layer(name).output for name in (STRIDE_16, STRIDE_32)]
    for i, filters in enumerate(make_divisible(filters * alpha) for filters in EXTRA_FILTERS):
        x = _pointwise(found[-1], filters // 2, f"ssd_extra{i}_narrow")
        x = _depthwise(x, 2, f"ssd_extra{i}")
        found.append(_pointwise(x, filters, f"ssd_extra{i}_widen"))
    return found


def _pyramid(backbone: keras.Model) -> list[keras.KerasTensor]:
    """Returns the feature maps of a pyramid, of strides 8, 16, 32, 64 and 128, all with `PYRAMID_FILTERS` channels."""
    from keras import layers

    sides = [
        _pointwise(backbone.get_layer(name).output, PYRAMID_FILTERS, f"fpn_side{i}", activation=False)
        for i, name in enumerate((STRIDE_8, STRIDE_16, STRIDE_32))
    ]
    x = sides[2]
    found = [x]
    for i in (1, 0):
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"fpn_up{i}")(x)
        x = layers.Add(name=f"fpn_add{i}")([x, sides[i]])
        found.insert(0, x)
    found = [
        _pointwise(_depthwise(x, 1, f"fpn_smooth{i}"), PYRAMID_FILTERS, f"fpn_smooth{i}_out")
        for i, x in enumerate(found)
    ]
    for i in (3, 4):
        found.append(_pointwise(_depthwise(found[-1], 2, f"fpn_extra{i}"), PYRAMID_FILTERS, f"fpn_extra{i}_out"))
    return found


def _pointwise(x: keras.KerasTensor, filters: int, name: str, *, activation: bool = True) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=_narrow(), name=name)(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=HEAD_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if activation else x


def _depthwise(x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.DepthwiseConv2D(
        3, stride, padding="same", use_bias=False, depthwise_initializer=depthwise_init(3), name=f"{name}_depthwise"
    )(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=HEAD_MOMENTUM, name=f"{name}_depthwise_bn")(x)
    return layers.ReLU(6, name=f"{name}_depthwise_relu")(x)


def _narrow() -> keras.initializers.Initializer:
    import keras

    return keras.initializers.TruncatedNormal(stddev=0.03)
