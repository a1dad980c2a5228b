"""MobileNetV1. Howard et al.: MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017.

https://arxiv.org/abs/1704.04861, table 1. Layer names are those of keras.applications' MobileNet. With
`padding="same"` every input size that is a multiple of 32 gives exactly its outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.accuracies import Accuracies
from zoo.models.layers import RELU_INIT, classifier_head, depthwise_init, image_input
from zoo.published import KERAS_APPLICATIONS, MINUS_1_TO_1, Backbone, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

FIRST_FILTERS = 32
# Channels of the 1x1 convolution, stride of the 3x3 depthwise one before it.   # input at 224x224
BLOCKS = (
    (64, 1),  # 112x112x32
    (128, 2),  # 112x112x64
    (128, 1),  # 56x56x128
    (256, 2),  # 56x56x128
    (256, 1),  # 28x28x256
    (512, 2),  # 28x28x256
    *[(512, 1)] * 5,  # 14x14x512
    (1024, 2),  # 14x14x512
    (1024, 1),  # 7x7x1024
)
MIN_FILTERS = 8
"""The fewest channels of a layer, however small `alpha` is, as in TF-slim's `nets/mobilenet_v1.py`."""

# alpha, input size, ImageNet top-1 and top-5 of the float weights, top-1 in 8 bits, in percent; weights are published
# for the same combinations.
FIGURES = (
    (1.0, 224, 70.9, 89.9, 69.7),
    (1.0, 192, 70.0, 89.2, 69.0),
    (1.0, 160, 68.0, 87.7, 67.3),
    (1.0, 128, 65.2, 85.8, 64.0),
    (0.75, 224, 68.4, 88.2, 67.9),
    (0.75, 192, 67.2, 87.3, 66.2),
    (0.75, 160, 65.3, 86.0, 63.9),
    (0.75, 128, 62.1, 83.9, 59.8),
    (0.5, 224, 63.3, 84.9, 62.2),
    (0.5, 192, 61.7, 83.6, 60.4),
    (0.5, 160, 59.1, 81.9, 57.7),
    (0.5, 128, 56.3, 79.4, 54.9),
    (0.25, 224, 49.8, 74.2, 48.2),
    (0.25, 192, 47.7, 72.3, 45.8),
    (0.25, 160, 45.5, 70.3, 43.5),
    (0.25, 128, 41.5, 66.3, 39.9),
)
ACCURACIES = Accuracies(
    source="TF-slim, research/slim/nets/mobilenet_v1.md, Pre-trained Models",
    url="https://github.com/tensorflow/models/blob/master/research/slim/nets/mobilenet_v1.md",
    columns=("alpha", "input_size", "top1", "top5", "int8_top1"),
    figures=FIGURES,
    quantized="the published 8-bit files come from a training that simulates int8, which Keras' weights do not",
)
ADDRESS = f"{KERAS_APPLICATIONS}mobilenet/mobilenet"
ALPHA_IN_NAMES = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}
# The addresses are those of `keras/src/applications/mobilenet.py` (3.15). Keras gives no hashes of these files.
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    files=tuple(
        # At alpha 1 the 4.3 million parameters take 17 MB.
        WeightsFile(
            f"{ADDRESS}_{ALPHA_IN_NAMES[alpha]}_{size}_tf{top}.h5",
            {"alpha": alpha, **classes},
            size,
            most_bytes=24_000_000,
        )
        for alpha, size, *_ in FIGURES
        for top, classes in (("", {"num_classes": 1000}), ("_no_top", {}))
    ),
    pixels=MINUS_1_TO_1,
    source="TF-slim, by way of Keras Applications",
    licence="Apache-2.0",
)
BODY_WEIGHTS = (IMAGENET.body(["alpha"]),)
"""The weights for models for other tasks, which take the body alone."""
BACKBONE = Backbone("conv_pw_13_bn", MINUS_1_TO_1)
TAPS = {8: "conv_pw_5_relu", 16: "conv_pw_11_relu", 32: "conv_pw_13_relu"}
RECIPE = {
    "epochs": 100, "learning_rate": 2e-3, "warmup_epochs": 3, "patience": 25, "label_smoothing": 0.1,
    "augment": "standard", "weight_decay": 1e-4,
}  # fmt: skip
# Only the last four blocks are trained, because earlier layers detect general shapes.
TRANSFER_RECIPE = {
    "epochs": 20, "learning_rate": 1e-4, "freeze": "conv_pw_9_relu", "label_smoothing": 0.1, "augment": "standard",
}  # fmt: skip


@register(
    ModelSpec(
        name="mobilenet_v1",
        summary="depthwise separable blocks in a row; the plainest of the nets for boards",
        paper="Howard et al., MobileNets: Efficient Convolutional Neural Networks, 2017",
        url="https://arxiv.org/abs/1704.04861",
        input_shape=(224, 224, 3),
        params=4_253_864,
        macs=568_740_352,
        options=(
            NUM_CLASSES,
            Option("alpha", "width multiplier of all layers", kind=float, above=0, in_name="{:g}"),
            Option("input_size", "width and height of the pictures", minimum=32, multiple_of=32, in_name="{}"),
            DROPOUT,
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET,),
        accuracies=ACCURACIES,
        backbone=BACKBONE,
        taps=TAPS,
    )
)
def mobilenet_v1(
    *, num_classes: int = 1000, alpha: float = 1.0, input_size: int = 224, dropout: float = 0.001
) -> keras.Model:
    """Builds MobileNetV1; `alpha` scales the channels of all layers."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = body(x, alpha)
    x = layers.GlobalAveragePooling2D(name="global_average_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def body(x: keras.KerasTensor, alpha: float) -> keras.KerasTensor:
    """Adds all convolutions of MobileNetV1, which models for other tasks share with the classifier.

    Args:
        x: scaled pixels `(batch, height, width, 3)`.
        alpha: the width multiplier.

    Returns:
        Feature maps with a stride of 32, `(batch, height / 32, width / 32, channels)`.
    """
    from keras import layers

    x = _convolution(x, _filters(FIRST_FILTERS, alpha), 3, 2, "conv1")
    for i, (filters, stride) in enumerate(BLOCKS, start=1):
        x = layers.DepthwiseConv2D(
            3,
            stride,
            padding="same",
            use_bias=False,
            depthwise_initializer=depthwise_init(3),
            name=f"conv_dw_{i}",
        )(x)
        x = _activated(x, f"conv_dw_{i}")
        x = _convolution(x, _filters(filters, alpha), 1, 1, f"conv_pw_{i}")
    return x


def _filters(filters: int, alpha: float) -> int:
    return max(MIN_FILTERS, int(filters * alpha))


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, kernel_initializer=RELU_INIT, name=name)(
        x
    )
    return _activated(x, name)


def _activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Adds batch normalization, with the constants of keras.applications' MobileNet, and ReLU6."""
    from keras import layers

    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}_bn")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x)
