"""SSD on MobileNetV2, the detector of TensorFlow's Object Detection API.

Liu et al., SSD: Single Shot MultiBox Detector, 2016 (https://arxiv.org/abs/1512.02325), on the backbone of Sandler et
al., MobileNetV2, 2018 (https://arxiv.org/abs/1801.04381). Layers and anchors are the API's, except that
the head has no batch normalization: the published weights have it folded in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.detectors import openimages
from zoo.models.detectors.recipes import RECIPE, TRANSFER_RECIPE
from zoo.models.layers import RELU_INIT, image_input
from zoo.models.mobilenet_v2 import BACKBONE, body, keras_layers
from zoo.registry import register
from zoo.specs import ModelSpec, Option

if TYPE_CHECKING:
    import keras

LEVELS = ("conv_13_relu", "out_relu")
"""The layers of the backbone that the head begins at, of strides 16 and 32."""
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels of the two convolutions of each further level; the second one halves the size."""
RARE = -4.6
"""Initial bias of the scores: the sigmoid of it is 1%, since nearly all anchors show nothing."""


@register(
    ModelSpec(
        name="ssd_mobilenet_v2",
        summary="finds objects and their boxes; 23 everyday classes without a training",
        paper="Liu et al., SSD: Single Shot MultiBox Detector, 2016",
        url="https://arxiv.org/abs/1512.02325",
        input_shape=(300, 300, 3),
        params=4_986_811,
        macs=671_503_664,
        options=(
            Option("num_classes", "number of classes", minimum=1),
            Option("input_size", "width and height of the pictures", minimum=96, multiple_of=4, in_name="{}"),
        ),
        task="detection",
        # The first level has fewer anchors in a cell than the others, so that they cannot be fitted to boxes.
        recipe=RECIPE | {"anchors": "paper"},
        transfer_recipe=TRANSFER_RECIPE | {"anchors": "paper"},
        weights=(openimages.published(keras_layers(), head=True),),
        backbone=BACKBONE,
    )
)
def ssd_mobilenet_v2(*, num_classes: int = 23, input_size: int = 300) -> keras.Model:
    """Builds the detector, with two outputs for each of its anchors; 1917 anchors at 300 pixels.

    `boxes`, `(batch, anchors, 4)`, are coded relative to the anchors as SSD does it; `scores`,
    `(batch, anchors, num_classes)`, are independent probabilities, without one of the background. At another input size
    the anchors keep their sizes as fractions of the picture.
    """
    import keras
    from keras import layers

    from zoo.models.detectors.anchored import NAME, Anchors
    from zoo.tasks.objects.boxes import paper_shapes

    pixels, x = image_input(input_size)
    backbone = keras.Model(pixels, body(x, alpha=1.0))
    levels = [backbone.get_layer(name).output for name in LEVELS]
    for i, (narrow, wide) in enumerate(EXTRAS):
        x = _convolution(levels[-1], narrow, 1, 1, f"ssd_extra{i}_narrow")
        levels.append(_convolution(x, wide, 3, 2, f"ssd_extra{i}"))
    grids, shapes = [(level.shape[1], level.shape[2]) for level in levels], paper_shapes(len(levels))
    boxes, scores = [], []
    for i, (level, sizes) in enumerate(zip(levels, shapes, strict=True)):
        anchors = level.shape[1] * level.shape[2] * len(sizes)
        one = layers.Conv2D(4 * len(sizes), 1, kernel_initializer=_narrow(), name=f"ssd_box{i}")(level)
        boxes.append(layers.Reshape((anchors, 4), name=f"ssd_box{i}_rows")(one))
        one = layers.Conv2D(
            num_classes * len(sizes),
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(RARE),
            name=f"ssd_class{i}",
        )(level)
        scores.append(layers.Reshape((anchors, num_classes), name=f"ssd_class{i}_rows")(one))
    all_boxes = layers.Concatenate(axis=1, name="ssd_boxes")(boxes)
    all_scores = layers.Concatenate(axis=1, name="ssd_scores")(scores)
    all_boxes = Anchors(grids, shapes, name=NAME)(all_boxes)
    return keras.Model(pixels, [all_boxes, layers.Activation("sigmoid", name="scores")(all_scores)])


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, kernel, stride, padding="same", kernel_initializer=RELU_INIT, name=name)(x)
    return layers.ReLU(6, name=f"{name}_relu")(x)


def _narrow() -> keras.initializers.Initializer:
    import keras

    return keras.initializers.TruncatedNormal(stddev=0.03)
