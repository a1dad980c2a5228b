"""EfficientNet-Lite. Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019.

https://arxiv.org/abs/1905.11946, table 1, changed for edge devices as
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite says: no squeeze-and-excitation, ReLU6
in place of swish, and first and last layers that do not grow with the rest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.accuracies import Accuracies
from zoo.models.layers import RELU_INIT, batch_norm, classifier_head, depthwise_init, image_input, make_divisible
from zoo.published import CLOUD_TPU, MINUS_1_TO_1, Original, Preparation, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import NUM_CLASSES, ModelSpec, Option, dropout_of

if TYPE_CHECKING:
    import keras

FIRST_FILTERS = 32
# Expansion, output channels, repeats, stride of the first of them, kernel.   # input at 224x224
STAGES = (
    (1, 16, 1, 1, 3),  # 112x112x32
    (6, 24, 2, 2, 3),  # 112x112x16
    (6, 40, 2, 2, 5),  # 56x56x24
    (6, 80, 3, 2, 3),  # 28x28x40
    (6, 112, 3, 1, 5),  # 14x14x80
    (6, 192, 4, 2, 5),  # 14x14x112
    (6, 320, 1, 1, 3),  # 7x7x192
)
LAST_FILTERS = 1280

# Width and depth, which multiply channels and repeats, input size, dropout (efficientnet_lite_builder.py), ImageNet
# top-1 of float and of int8 weights in percent.
VARIANTS = {
    "lite0": (1.0, 1.0, 224, 0.2, 75.1, 74.4),
    "lite1": (1.0, 1.1, 240, 0.2, 76.7, 75.9),
    "lite2": (1.1, 1.2, 260, 0.3, 77.6, 77.0),
    "lite3": (1.2, 1.4, 280, 0.3, 79.8, 79.0),
    "lite4": (1.4, 1.8, 300, 0.3, 81.5, 80.2),
}
SIZES = {name: size for name, (_, _, size, *_) in VARIANTS.items()}
PIXELS = Preparation((1 / 128,) * 3, (-127 / 128,) * 3)
"""How the published weights expect pixels (MEAN_RGB and STDDEV_RGB of `efficientnet_lite_builder.py`)."""

Stage = tuple[int, int, int, int, int]


def stages_of(variant: str) -> tuple[Stage, ...]:
    """The rows of `STAGES` with the channels and repeats of a variant; the first and the last row are not repeated."""
    width, depth, *_ = VARIANTS[variant]
    return tuple(
        (
            expansion,
            make_divisible(channels * width),
            repeats if i in {0, len(STAGES) - 1} else math.ceil(repeats * depth),
            stride,
            kernel,
        )
        for i, (expansion, channels, repeats, stride, kernel) in enumerate(STAGES)
    )


def tensorflow_layers(variant: str) -> tuple[str, ...]:
    """The names that Google's TensorFlow 1 code gives the layers that have weights, in order."""
    norm = "tpu_batch_normalization"
    names, block = ["stem/conv2d", f"stem/{norm}"], 0
    for expansion, _, repeats, *_ in stages_of(variant):
        kinds = ("depthwise_conv2d", "conv2d") if expansion == 1 else ("conv2d", "depthwise_conv2d", "conv2d_1")
        for _ in range(repeats):
            for i, kind in enumerate(kinds):
                names += [f"blocks_{block}/{kind}", f"blocks_{block}/{norm}" + (f"_{i}" if i else "")]
            block += 1
    names += ["head/conv2d", f"head/{norm}", "head/dense"]
    return tuple(f"efficientnet-{variant}/{name}" for name in names)


def timm_layers(variant: str) -> tuple[str, ...]:
    """The names that timm gives the layers that have weights, in order."""
    names = ["conv_stem", "bn1"]
    for stage, (expansion, _, repeats, *_) in enumerate(stages_of(variant)):
        kinds = ("conv_dw", "conv_pw") if expansion == 1 else ("conv_pw", "conv_dw", "conv_pwl")
        for block in range(repeats):
            for i, kind in enumerate(kinds, start=1):
                names += [f"blocks.{stage}.{block}.{kind}", f"blocks.{stage}.{block}.bn{i}"]
    return (*names, "conv_head", "bn2", "classifier")


# The archives hold TensorFlow Lite files and the optimizer's state, too. Google gives no hashes of them.
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    files=tuple(
        WeightsFile(
            f"{CLOUD_TPU}efficientnet/lite/efficientnet-{variant}.tar.gz",
            {"variant": variant},
            size,
            most_bytes=512_000_000,
        )
        for variant, size in SIZES.items()
    ),
    pixels=PIXELS,
    source="Google, TensorFlow's reference models for Cloud TPUs",
    licence="Apache-2.0",
)
ACCURACIES = Accuracies(
    source="TensorFlow's reference models for Cloud TPUs, models/official/efficientnet/lite/README.md",
    url="https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/README.md",
    columns=("variant", "input_size", "top1", "top5", "int8_top1"),
    figures=tuple((name, size, top1, None, int8) for name, (_, _, size, _, top1, int8) in VARIANTS.items()),
    quantized="int8 after training costs 0.6 (lite2) to 1.3 points (lite4)",
)
RECIPE = {
    "epochs": 100, "learning_rate": 2e-3, "warmup_epochs": 5, "patience": 25, "label_smoothing": 0.1,
    "augment": "standard", "weight_decay": 1e-5,
}  # fmt: skip
# The last two stages and the last convolution are trained, because earlier layers detect general shapes.
TRANSFER_RECIPE = {
    "epochs": 20, "learning_rate": 1e-4, "freeze": "stage6_block1_expand_relu", "label_smoothing": 0.1,
    "augment": "standard",
}  # fmt: skip


@register(
    ModelSpec(
        name="efficientnet_lite",
        summary="EfficientNet for integers: ReLU6, no squeeze-and-excitation; loses little in int8",
        paper="Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019",
        url="https://arxiv.org/abs/1905.11946",
        input_shape=(224, 224, 3),
        params=4_694_024,
        macs=385_187_552,
        options=(
            NUM_CLASSES,
            Option("variant", "size of the net", kind=str, choices=tuple(VARIANTS), in_name="{}"),
            Option(
                "input_size",
                "width and height of the pictures",
                minimum=32,
                in_name="{}",
                follows="variant",
                defaults=SIZES,
            ),
            dropout_of("variant", {name: dropout for name, (_, _, _, dropout, *_) in VARIANTS.items()}),
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET,),
        accuracies=ACCURACIES,
        # The widened maps before a depthwise convolution halves their size.
        taps={8: "stage4_block1_expand_relu", 16: "stage6_block1_expand_relu", 32: "head_relu"},
        originals=(
            Original("Google's code", PIXELS, tuple(map(tensorflow_layers, VARIANTS))),
            Original("timm", MINUS_1_TO_1, tuple(map(timm_layers, VARIANTS))),
        ),
    )
)
def efficientnet_lite(
    *, num_classes: int = 1000, variant: str = "lite0", input_size: int = 224, dropout: float = 0.2
) -> keras.Model:
    """Builds EfficientNet-Lite; by default each variant takes pictures of the size that it was trained on."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size, scaling=(1 / 128, -127 / 128))
    x = _conv(x, FIRST_FILTERS, 3, 2, "stem")
    for stage, (expansion, filters, repeats, first_stride, kernel) in enumerate(stages_of(variant), start=1):
        for block in range(1, repeats + 1):
            stride = first_stride if block == 1 else 1
            x = _mbconv(x, expansion, filters, stride, kernel, f"stage{stage}_block{block}")
    x = _conv(x, LAST_FILTERS, 1, 1, "head")
    x = layers.GlobalAveragePooling2D(name="global_average_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def _mbconv(
    x: keras.KerasTensor, expansion: int, filters: int, stride: int, kernel: int, name: str
) -> keras.KerasTensor:
    """Adds a block: 1x1 expand, depthwise, 1x1 project without an activation; an expansion of 1 leaves out the first.

    With a stride of 1, and as many channels out as in, the input is added.
    """
    from keras import layers

    block_input, channels = x, x.shape[-1]
    if expansion != 1:
        x = _conv(x, expansion * channels, 1, 1, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=depthwise_init(kernel),
        name=f"{name}_depthwise",
    )(x)
    x = batch_norm(f"{name}_depthwise_bn")(x)
    x = layers.ReLU(6, name=f"{name}_depthwise_relu")(x)
    x = _conv(x, filters, 1, 1, f"{name}_project", relu=False)
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([block_input, x])
    return x


def _conv(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str, *, relu: bool = True
) -> keras.KerasTensor:
    """Adds a convolution, batch normalization and ReLU6."""
    from keras import layers

    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer=RELU_INIT, name=f"{name}_conv"
    )(x)
    x = batch_norm(f"{name}_bn")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if relu else x
