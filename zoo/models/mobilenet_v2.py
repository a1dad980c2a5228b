"""MobileNetV2. Sandler et al.: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018.

https://arxiv.org/abs/1801.04381, table 2. With `padding="same"` every even input size gives exactly the outputs
of keras.applications' MobileNetV2, whose weights are in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.accuracies import Accuracies
from zoo.models.detectors import openimages
from zoo.models.layers import RELU_INIT, batch_norm, classifier_head, image_input, inverted_residual, make_divisible
from zoo.published import KERAS_APPLICATIONS, MINUS_1_TO_1, Backbone, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

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


def keras_layers() -> tuple[str, ...]:
    """The names that keras.applications gives the layers that have weights, in order."""
    names = ["Conv1", "bn_Conv1"]
    for i in range(sum(repeats for _, _, repeats, _ in BLOCKS)):
        prefix = f"block_{i}" if i else "expanded_conv"
        for part in ("expand", "depthwise", "project") if i else ("depthwise", "project"):
            names += [f"{prefix}_{part}", f"{prefix}_{part}_BN"]
    return (*names, "Conv_1", "Conv_1_bn")


# alpha, {input size: ImageNet top-1 and top-5 in percent}; weights are published for the same combinations (Keras has
# the widths 1.3 and 1.4 at 224x224 only, keras#16452).
FIGURES: tuple[tuple[float, dict[int, tuple[float, float]]], ...] = (
    (1.4, {224: (75.0, 92.5)}),
    (1.3, {224: (74.4, 92.1)}),
    (1.0, {224: (71.8, 91.0), 192: (70.7, 90.1), 160: (68.8, 89.0), 128: (65.3, 86.9), 96: (60.3, 83.2)}),
    (0.75, {224: (69.8, 89.6), 192: (68.7, 88.9), 160: (66.4, 87.3), 128: (63.2, 85.3), 96: (58.8, 81.6)}),
    (0.5, {224: (65.4, 86.4), 192: (63.9, 85.4), 160: (61.0, 83.2), 128: (57.7, 80.8), 96: (51.2, 75.8)}),
    (0.35, {224: (60.3, 82.9), 192: (58.2, 81.2), 160: (55.7, 79.1), 128: (50.8, 75.0), 96: (45.5, 70.4)}),
)
ACCURACIES = Accuracies(
    source="TF-slim, research/slim/nets/mobilenet/README.md, Mobilenet V2 Imagenet Checkpoints",
    url="https://github.com/tensorflow/models/blob/master/research/slim/nets/mobilenet/README.md",
    columns=("alpha", "input_size", "top1", "top5"),
    figures=tuple((alpha, size, *tops) for alpha, sizes in FIGURES for size, tops in sizes.items()),
    quantized="int8 after training costs 0.4 points at alpha 1, 224x224: 72.78 to 72.39 (TensorFlow Model Garden, "
    "QAT README)",
)
ADDRESS = f"{KERAS_APPLICATIONS}mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
# The addresses are those of `keras/src/applications/mobilenet_v2.py` (3.15). Keras gives no hashes of these files.
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    files=tuple(
        # At alpha 1.4 the 6.2 million parameters take 24.8 MB.
        WeightsFile(f"{ADDRESS}_{alpha}_{size}{top}.h5", {"alpha": alpha, **classes}, size, most_bytes=32_000_000)
        for alpha, sizes in FIGURES
        for size in sizes
        for top, classes in (("", {"num_classes": 1000}), ("_no_top", {}))
    ),
    pixels=MINUS_1_TO_1,
    source="TF-slim, by way of Keras Applications",
    licence="Apache-2.0",
)
OPENIMAGES = openimages.published(keras_layers(), head=False, options={"alpha": 1.0})
BODY_WEIGHTS = (
    OPENIMAGES,
    IMAGENET.body(["alpha"]),
)
"""The weights for models for other tasks, which take the body alone."""
BACKBONE = Backbone("Conv_1_bn", MINUS_1_TO_1, keras_layers())
TAPS = {8: "conv_6_relu", 16: "conv_13_relu", 32: "out_relu"}
"""The widened maps before the body halves their size."""
RECIPE = {
    "epochs": 100, "learning_rate": 2e-3, "warmup_epochs": 3, "patience": 25, "label_smoothing": 0.1,
    "augment": "standard", "weight_decay": 1e-4,
}  # fmt: skip
# Only the last four blocks and the last convolution are trained, because earlier layers detect general shapes.
TRANSFER_RECIPE = {
    "epochs": 20, "learning_rate": 1e-4, "freeze": "res_connect_12", "label_smoothing": 0.1, "augment": "standard",
}  # fmt: skip


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
            NUM_CLASSES,
            Option("alpha", "width multiplier of all layers", kind=float, above=0, in_name="{:g}"),
            Option("input_size", "width and height of the pictures", minimum=32, multiple_of=32, in_name="{}"),
            DROPOUT,
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET, OPENIMAGES),
        accuracies=ACCURACIES,
        backbone=BACKBONE,
        taps=TAPS,
    )
)
def mobilenet_v2(
    *, num_classes: int = 1000, alpha: float = 1.0, input_size: int = 224, dropout: float = 0.2
) -> keras.Model:
    """Builds MobileNetV2; `alpha` scales the channels of all layers, but those of the last convolution only above 1."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = body(x, alpha)
    x = layers.GlobalAveragePooling2D(name="global_average_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def body(x: keras.KerasTensor, alpha: float) -> keras.KerasTensor:
    """Adds all convolutions of MobileNetV2, which models for other tasks share with the classifier.

    Args:
        x: scaled pixels `(batch, height, width, 3)`.
        alpha: the width multiplier.

    Returns:
        Feature maps with a stride of 32, `(batch, height / 32, width / 32, channels)`.
    """
    from keras import layers

    x = layers.Conv2D(
        make_divisible(FIRST_FILTERS * alpha),
        3,
        2,
        padding="same",
        use_bias=False,
        kernel_initializer=RELU_INIT,
        name="Conv1",
    )(x)
    x = batch_norm("bn_Conv1")(x)
    x = layers.ReLU(6, name="Conv1_relu")(x)
    i = 0
    for expansion, channels, repeats, first_stride in BLOCKS:
        for n in range(repeats):
            stride = first_stride if n == 0 else 1
            x = inverted_residual(x, expansion, make_divisible(channels * alpha), stride, i)
            i += 1
    x = layers.Conv2D(
        make_divisible(LAST_FILTERS * max(1.0, alpha)),
        1,
        use_bias=False,
        kernel_initializer=RELU_INIT,
        name="Conv_1",
    )(x)
    x = batch_norm("Conv_1_bn")(x)
    return layers.ReLU(6, name="out_relu")(x)
