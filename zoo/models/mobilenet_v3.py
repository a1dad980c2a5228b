"""MobileNetV3. Howard et al.: Searching for MobileNetV3, 2019.

https://arxiv.org/abs/1905.02244, tables 1 and 2. The minimalistic variants are those of TF-slim's
`nets/mobilenet/mobilenet_v3.py`: the same sizes with 3x3 kernels, ReLU and no squeeze-and-excite. Layers with weights
have the names of keras.applications' MobileNetV3, whose outputs they give exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.accuracies import Accuracies
from zoo.models.layers import RELU_INIT, batch_norm, classifier_head, depthwise_init, image_input, make_divisible
from zoo.published import KERAS_APPLICATIONS, MINUS_1_TO_1, Backbone, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, Caution, ModelSpec, Option

if TYPE_CHECKING:
    import keras


class Block(NamedTuple):
    """A bottleneck, as in one line of the paper's tables; `expanded` channels are those of the depthwise convolution.

    The activation is `RE` for ReLU or `HS` for hard-swish.
    """

    kernel: int
    expanded: int
    filters: int
    squeeze: bool
    activation: str
    stride: int


FIRST_FILTERS = 16
LARGE = (
    Block(3, 16, 16, False, "RE", 1),  # input 112x112x16
    Block(3, 64, 24, False, "RE", 2),  # 112x112x16
    Block(3, 72, 24, False, "RE", 1),  # 56x56x24
    Block(5, 72, 40, True, "RE", 2),  # 56x56x24
    *[Block(5, 120, 40, True, "RE", 1)] * 2,  # 28x28x40
    Block(3, 240, 80, False, "HS", 2),  # 28x28x40
    Block(3, 200, 80, False, "HS", 1),  # 14x14x80
    *[Block(3, 184, 80, False, "HS", 1)] * 2,  # 14x14x80
    Block(3, 480, 112, True, "HS", 1),  # 14x14x80
    Block(3, 672, 112, True, "HS", 1),  # 14x14x112
    Block(5, 672, 160, True, "HS", 2),  # 14x14x112
    *[Block(5, 960, 160, True, "HS", 1)] * 2,  # 7x7x160
)
SMALL = (
    Block(3, 16, 16, True, "RE", 2),  # input 112x112x16
    Block(3, 72, 24, False, "RE", 2),  # 56x56x16
    Block(3, 88, 24, False, "RE", 1),  # 28x28x24
    Block(5, 96, 40, True, "HS", 2),  # 28x28x24
    *[Block(5, 240, 40, True, "HS", 1)] * 2,  # 14x14x40
    Block(5, 120, 48, True, "HS", 1),  # 14x14x40
    Block(5, 144, 48, True, "HS", 1),  # 14x14x48
    Block(5, 288, 96, True, "HS", 2),  # 14x14x48
    *[Block(5, 576, 96, True, "HS", 1)] * 2,  # 7x7x96
)
LAST_EXPANSION = 6
"""Channels of the last convolution of the body, as a multiple of those before it."""
LAST_UNITS = {"large": 1280, "small": 1024}
"""Units of the layer between pooling and the classes."""
SQUEEZE = 0.25
"""Channels between the two convolutions of squeeze-and-excite, as a fraction of those around it."""
VARIANTS = ("large", "small", "large_minimalistic", "small_minimalistic")

# variant, alpha, ImageNet top-1 of the float weights and in 8 bits, in percent; MD5 of the published file with its top,
# and without. The MD5s are those of `keras/src/applications/mobilenet_v3.py` (3.15).
PUBLISHED: tuple[tuple[str, float, float, float | None, str, str], ...] = (
    ("large", 1.0, 75.2, 73.9, "59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    ("large", 0.75, 73.3, None, "765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    ("small", 1.0, 67.5, 64.9, "8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    ("small", 0.75, 65.4, None, "cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    ("large_minimalistic", 1.0, 72.3, 71.3, "675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    ("small_minimalistic", 1.0, 61.9, None, "99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
)
SIZE = 224
"""The only input size that weights and accuracies are published for."""
ACCURACIES = Accuracies(
    source="TF-slim, research/slim/nets/mobilenet/README.md, Mobilenet V3 Imagenet Checkpoints",
    url="https://github.com/tensorflow/models/blob/master/research/slim/nets/mobilenet/README.md",
    columns=("variant", "alpha", "input_size", "top1", "top5", "int8_top1"),
    figures=tuple((variant, alpha, SIZE, top1, None, int8) for variant, alpha, top1, int8, *_ in PUBLISHED),
    quantized="the published 8-bit files come from a training that simulates int8, which Keras' weights do not",
)
ADDRESS = f"{KERAS_APPLICATIONS}mobilenet_v3/weights_mobilenet_v3"
TOP, NO_TOP = "", "_no_top_v2"
FILES = {
    # The largest takes 22 MB.
    end: tuple(
        WeightsFile(
            f"{ADDRESS}_{variant}_{SIZE}_{alpha}_float{end}.h5",
            {"variant": variant, "alpha": alpha},
            SIZE,
            md5=md5s[i],
            most_bytes=32_000_000,
        )
        for variant, alpha, _, _, *md5s in PUBLISHED
    )
    for i, end in enumerate((TOP, NO_TOP))
}
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    # For any number of classes: the layer between pooling and the classes is worth having, too.
    files=FILES[TOP],
    pixels=MINUS_1_TO_1,
    source="TF-slim, by way of Keras Applications",
    licence="Apache-2.0",
)
BODY_WEIGHTS = (replace(IMAGENET, classes=None, files=FILES[NO_TOP]),)
"""The weights for models for other tasks, which take the body alone."""


def taps(options: Mapping[str, Any]) -> dict[int, str]:
    """Names the widened maps before the body halves their size, by their strides."""
    halving = [i for i, block in enumerate(_blocks(options["variant"])) if block.stride == 2]
    return {
        8: f"expanded_conv_{halving[-2]}_expand_activation",
        16: f"expanded_conv_{halving[-1]}_expand_activation",
        32: "conv_1_activation",
    }


CAUTION = Caution(
    "the variants large and small are slow in integers, by hard-swish and squeeze-and-excite: their int8 files take "
    "longer than the float ones (docs/benchmarks.md), an Edge TPU runs hardly any of their operations, and int16x8 "
    "cannot be written at all; take --quantize float16, or --variant large_minimalistic or small_minimalistic, whose "
    "int8 files are the faster ones",
    ("int8", "int16x8"),
    {"variant": ("large", "small")},
)
BACKBONE = Backbone("conv_1_bn", MINUS_1_TO_1)
RECIPE = {
    "epochs": 100, "learning_rate": 2e-3, "warmup_epochs": 3, "patience": 25, "label_smoothing": 0.1,
    "augment": "standard", "weight_decay": 1e-4,
}  # fmt: skip
# Earlier layers detect general shapes. All variants have a block 6, in the middle of the body.
TRANSFER_RECIPE = {
    "epochs": 20, "learning_rate": 1e-4, "freeze": "expanded_conv_6_project_bn", "label_smoothing": 0.1,
    "augment": "standard",
}  # fmt: skip


@register(
    ModelSpec(
        name="mobilenet_v3",
        summary="found by search; the minimalistic variants are made for integers",
        paper="Howard et al., Searching for MobileNetV3, 2019",
        url="https://arxiv.org/abs/1905.02244",
        input_shape=(224, 224, 3),
        params=3_948_688,
        macs=209_136_704,
        options=(
            NUM_CLASSES,
            Option(
                "variant",
                "a net of the paper, or its minimalistic form, without hard-swish and squeeze-and-excite, which int8 "
                "and the Edge TPU run badly",
                kind=str,
                choices=VARIANTS,
                in_name="{}",
            ),
            Option("alpha", "width multiplier of all layers", kind=float, above=0, in_name="{:g}"),
            Option("input_size", "width and height of the pictures", minimum=32, multiple_of=32, in_name="{}"),
            DROPOUT,
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET,),
        accuracies=ACCURACIES,
        cautions=(CAUTION,),
        backbone=BACKBONE,
        taps=taps,
    )
)
def mobilenet_v3(
    *,
    num_classes: int = 1000,
    variant: str = "large_minimalistic",
    alpha: float = 1.0,
    input_size: int = 224,
    dropout: float = 0.2,
) -> keras.Model:
    """Builds MobileNetV3; `alpha` scales the channels of the body, but the units behind it only above 1."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = body(x, variant, alpha)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="global_average_pool")(x)
    units = LAST_UNITS[variant.removesuffix("_minimalistic")]
    # A 1x1 convolution of a single cell, as in the published files.
    x = layers.Conv2D(
        make_divisible(units * alpha) if alpha > 1 else units, 1, kernel_initializer=RELU_INIT, name="conv_2"
    )(x)
    x = _activation(x, _last_activation(variant), "conv_2")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def body(x: keras.KerasTensor, variant: str, alpha: float) -> keras.KerasTensor:
    """Adds all convolutions of MobileNetV3 before pooling, which models for other tasks share with the classifier.

    Args:
        x: scaled pixels `(batch, height, width, 3)`.
        variant: one of `VARIANTS`.
        alpha: the width multiplier.

    Returns:
        Feature maps with a stride of 32, `(batch, height / 32, width / 32, channels)`.
    """
    from keras import layers

    activation = _last_activation(variant)
    x = layers.Conv2D(FIRST_FILTERS, 3, 2, padding="same", use_bias=False, kernel_initializer=RELU_INIT, name="conv")(x)
    x = _activation(batch_norm("conv_bn")(x), activation, "conv")
    before = FIRST_FILTERS
    for i, block in enumerate(_blocks(variant)):
        x = _bottleneck(x, block, block.expanded / before, alpha, i)
        before = block.filters
    x = _pointwise(x, make_divisible(x.shape[-1] * LAST_EXPANSION), "conv_1")
    return _activation(x, activation, "conv_1")


def _blocks(variant: str) -> tuple[Block, ...]:
    blocks = LARGE if variant.startswith("large") else SMALL
    if not variant.endswith("_minimalistic"):
        return blocks
    return tuple(block._replace(kernel=3, squeeze=False, activation="RE") for block in blocks)


def _last_activation(variant: str) -> str:
    return "RE" if variant.endswith("_minimalistic") else "HS"


def _bottleneck(x: keras.KerasTensor, block: Block, expansion: float, alpha: float, i: int) -> keras.KerasTensor:
    """Adds a block: 1x1 expand, depthwise, squeeze-and-excite, 1x1 project; the first block has no expand."""
    from keras import layers

    block_input, prefix = x, f"expanded_conv_{i}_" if i else "expanded_conv_"
    filters, expanded = make_divisible(block.filters * alpha), make_divisible(x.shape[-1] * expansion)
    if i:
        x = _pointwise(x, expanded, f"{prefix}expand")
        x = _activation(x, block.activation, f"{prefix}expand")
    x = layers.DepthwiseConv2D(
        block.kernel,
        block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=depthwise_init(block.kernel),
        name=f"{prefix}depthwise",
    )(x)
    x = _activation(batch_norm(f"{prefix}depthwise_bn")(x), block.activation, f"{prefix}depthwise")
    if block.squeeze:
        x = _squeeze_excite(x, make_divisible(expanded * SQUEEZE), f"{prefix}squeeze_excite")
    x = _pointwise(x, filters, f"{prefix}project")
    if block.stride == 1 and block_input.shape[-1] == filters:
        x = layers.Add(name=f"{prefix}add")([block_input, x])
    return x


def _squeeze_excite(x: keras.KerasTensor, narrow: int, name: str) -> keras.KerasTensor:
    """Scales each channel by a factor from 0 to 1 that depends on the means of all channels (section 5.3)."""
    from keras import layers

    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    y = layers.Conv2D(narrow, 1, kernel_initializer=RELU_INIT, name=f"{name}_conv")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    y = layers.Conv2D(x.shape[-1], 1, name=f"{name}_conv_1")(y)
    y = layers.Activation("hard_sigmoid", name=f"{name}_gate")(y)
    return layers.Multiply(name=f"{name}_mul")([x, y])


def _pointwise(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=RELU_INIT, name=name)(x)
    return batch_norm(f"{name}_bn")(x)


def _activation(x: keras.KerasTensor, kind: str, name: str) -> keras.KerasTensor:
    from keras import layers

    if kind == "RE":
        return layers.ReLU(name=f"{name}_activation")(x)
    return layers.Activation("hard_swish", name=f"{name}_activation")(x)
