"""MobileNetV4. Qin et al.: MobileNetV4: Universal Models for the Mobile Ecosystem, 2024.

https://arxiv.org/abs/2404.10518, the tables of MNv4-Conv-S and MNv4-Conv-M in the appendix. Layers with a stride pad on
all sides alike, as in timm, which has the only published weights: `mobilenetv4_conv_small` and
`mobilenetv4_conv_medium` of timm's `mobilenetv3.py` give the same outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zoo.accuracies import Accuracies
from zoo.models.layers import RELU_INIT, batch_norm, classifier_head, depthwise_init, image_input
from zoo.published import HUGGING_FACE, Original, Preparation, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras


class Conv(NamedTuple):
    """A convolution with batch normalization and ReLU."""

    kernel: int
    stride: int
    channels: int


class Fused(NamedTuple):
    """A fused inverted bottleneck: a convolution that expands, and a 1x1 convolution that projects."""

    kernel: int
    stride: int
    expansion: int
    channels: int


class Uib(NamedTuple):
    """A universal inverted bottleneck: depthwise, 1x1 expand, depthwise, 1x1 project; 0 leaves a depthwise one out."""

    kernel1: int
    kernel2: int
    stride: int
    expansion: int
    channels: int


Row = Conv | Fused | Uib

FIRST_FILTERS, LAST_FILTERS = 32, 1280
STAGES: dict[str, tuple[tuple[Row, ...], ...]] = {  # input at 224x224
    "conv_small": (
        (Conv(3, 2, 32), Conv(1, 1, 32)),  # 112x112x32
        (Conv(3, 2, 96), Conv(1, 1, 64)),  # 56x56x32
        (Uib(5, 5, 2, 3, 96), *[Uib(0, 3, 1, 2, 96)] * 4, Uib(3, 0, 1, 4, 96)),  # 28x28x64
        (
            Uib(3, 3, 2, 6, 128),  # 14x14x96
            Uib(5, 5, 1, 4, 128),
            Uib(0, 5, 1, 4, 128),
            Uib(0, 5, 1, 3, 128),
            *[Uib(0, 3, 1, 4, 128)] * 2,
        ),
        (Conv(1, 1, 960),),  # 7x7x128
    ),
    "conv_medium": (
        (Fused(3, 2, 4, 48),),  # 112x112x32
        (Uib(3, 5, 2, 4, 80), Uib(3, 3, 1, 2, 80)),  # 56x56x48
        (
            Uib(3, 5, 2, 6, 160),  # 28x28x80
            *[Uib(3, 3, 1, 4, 160)] * 2,
            Uib(3, 5, 1, 4, 160),
            Uib(3, 3, 1, 4, 160),
            Uib(3, 0, 1, 4, 160),
            Uib(0, 0, 1, 2, 160),
            Uib(3, 0, 1, 4, 160),
        ),
        (
            Uib(5, 5, 2, 6, 256),  # 14x14x160
            Uib(5, 5, 1, 4, 256),
            *[Uib(3, 5, 1, 4, 256)] * 2,
            Uib(0, 0, 1, 4, 256),
            Uib(3, 0, 1, 4, 256),
            Uib(3, 5, 1, 2, 256),
            Uib(5, 5, 1, 4, 256),
            *[Uib(0, 0, 1, 4, 256)] * 2,
            Uib(5, 0, 1, 2, 256),
        ),
        (Conv(1, 1, 960),),  # 7x7x256
    ),
}
EPSILON = 1e-5
SIZES = {"conv_small": 224, "conv_medium": 256}  # width and height of the pictures in the paper
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's training pictures in [0, 1], as the published weights expect them."""
PIXELS = Preparation(
    tuple(1 / (255 * std) for std in STD), tuple(-mean / std for mean, std in zip(MEAN, STD, strict=True))
)


def timm_layers(variant: str) -> tuple[str, ...]:
    """The names that timm gives the layers that have weights, in order."""
    names = ["conv_stem", "bn1"]
    for s, rows in enumerate(STAGES[variant]):
        for b, row in enumerate(rows):
            names += [f"blocks.{s}.{b}.{name}" for name in _timm_names(row)]
    return (*names, "conv_head", "norm_head", "classifier")


def _timm_names(row: Row) -> list[str]:
    if isinstance(row, Conv):
        return ["conv", "bn1"]
    if isinstance(row, Fused):
        return ["conv_exp", "bn1", "conv_pwl", "bn2"]
    parts = ["dw_start"] * bool(row.kernel1) + ["pw_exp"] + ["dw_mid"] * bool(row.kernel2) + ["pw_proj"]
    return [f"{part}.{kind}" for part in parts for kind in ("conv", "bn")]


# variant, input size, name and revision at Hugging Face, SHA-256, bytes. The one for larger pictures is the better one
# at sizes that none was trained at.
FILES = (
    (
        "conv_small",
        224,
        "mobilenetv4_conv_small.e2400_r224_in1k/resolve/331fb803779522b685cf942e15f914fb6741c1eb",
        "7a7102ec18f62bbfb555b6fe829bbb5af749516b84174926c29ffdfdfc03aec4",
        15_223_016,
    ),
    (
        "conv_medium",
        256,
        "mobilenetv4_conv_medium.e500_r256_in1k/resolve/ad66898c045c1b5223ea3f2c0830b74cf2e75bac",
        "35ca23dc46c0075d9acdcab06d30e5395c4d97e422d8cb5e5e627823aeb7c1fa",
        39_179_184,
    ),
    (
        "conv_medium",
        224,
        "mobilenetv4_conv_medium.e500_r224_in1k/resolve/02a09fbfb82b289e871ba8255f9da58c056fb13b",
        "10f9f8057d574f71d22c52d31cadab8af0bc325841fd93939c86d45d20998cad",
        39_179_184,
    ),
)
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    files=tuple(
        WeightsFile(
            f"{HUGGING_FACE}timm/{place}/model.safetensors",
            {"variant": variant},
            size,
            sha256,
            most_bytes=size_in_bytes,
        )
        for variant, size, place, sha256, size_in_bytes in FILES
    ),
    pixels=PIXELS,
    source="timm, by way of Hugging Face",
    licence="Apache-2.0",
)
ACCURACIES = Accuracies(
    source="timm, model cards of mobilenetv4_conv_small.e2400_r224_in1k, mobilenetv4_conv_medium.e500_r224_in1k and "
    "mobilenetv4_conv_medium.e500_r256_in1k",
    url="https://huggingface.co/timm/mobilenetv4_conv_small.e2400_r224_in1k",
    columns=("variant", "input_size", "top1", "top5"),
    figures=(
        ("conv_small", 224, 73.8, 91.4),
        ("conv_small", 256, 74.6, 92.1),
        ("conv_medium", 224, 79.1, 94.8),
        ("conv_medium", 256, 79.9, 95.2),
        ("conv_medium", 320, 80.9, 95.8),
    ),
)
RECIPE = {
    "epochs": 100, "learning_rate": 2e-3, "warmup_epochs": 5, "patience": 25, "label_smoothing": 0.1,
    "augment": "standard", "weight_decay": 1e-4,
}  # fmt: skip
# The last two stages and the last convolutions are trained, because earlier layers detect general shapes.
TRANSFER_RECIPE = {
    "epochs": 20, "learning_rate": 1e-4, "freeze": "stage3_block6_project_bn", "label_smoothing": 0.1,
    "augment": "standard",
}  # fmt: skip


@register(
    ModelSpec(
        name="mobilenet_v4",
        summary="universal inverted bottlenecks, ReLU alone; few MACs for its accuracy",
        paper="Qin et al., MobileNetV4: Universal Models for the Mobile Ecosystem, 2024",
        url="https://arxiv.org/abs/2404.10518",
        input_shape=(224, 224, 3),
        params=3_799_112,
        macs=186_005_568,
        options=(
            NUM_CLASSES,
            Option("variant", "size of the net", kind=str, choices=tuple(STAGES), in_name="{}"),
            Option(
                "input_size",
                "width and height of the pictures",
                minimum=32,
                in_name="{}",
                follows="variant",
                defaults=SIZES,
            ),
            DROPOUT,
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET,),
        accuracies=ACCURACIES,
        # The widened maps before a depthwise convolution halves their size.
        taps={8: "stage3_block1_expand_relu", 16: "stage4_block1_expand_relu", 32: "stage5_block1_relu"},
        originals=(Original("timm", PIXELS, tuple(map(timm_layers, STAGES))),),
    )
)
def mobilenet_v4(
    *, num_classes: int = 1000, variant: str = "conv_small", input_size: int = 224, dropout: float = 0.2
) -> keras.Model:
    """Builds MobileNetV4; by default each variant takes pictures of the size in the paper.

    The mean pixel is subtracted by a layer of its own, because the first convolution pads with zeros, which then stand
    for the mean colour. The division by the standard deviation is in that convolution's kernel.
    """
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = layers.Rescaling(1.0, offset=[1 - 2 * mean for mean in MEAN], name="center")(x)
    x = _conv(x, FIRST_FILTERS, 3, 2, "stem")
    for s, rows in enumerate(STAGES[variant], start=1):
        for b, row in enumerate(rows, start=1):
            x = _block(x, row, f"stage{s}_block{b}")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="global_average_pool")(x)
    x = _conv(x, LAST_FILTERS, 1, 1, "head")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def _block(x: keras.KerasTensor, row: Row, name: str) -> keras.KerasTensor:
    """Adds one row of the table. The input is added to the output of a bottleneck where both have one shape."""
    from keras import layers

    if isinstance(row, Conv):
        return _conv(x, row.channels, row.kernel, row.stride, name)
    block_input, channels = x, x.shape[-1]
    if isinstance(row, Fused):
        x = _conv(x, row.expansion * channels, row.kernel, row.stride, f"{name}_expand")
    else:
        if row.kernel1:
            # Only one of the two depthwise convolutions has the stride.
            x = _depthwise(x, row.kernel1, 1 if row.kernel2 else row.stride, f"{name}_start", relu=False)
        x = _conv(x, row.expansion * channels, 1, 1, f"{name}_expand")
        if row.kernel2:
            x = _depthwise(x, row.kernel2, row.stride, f"{name}_middle")
    x = _conv(x, row.channels, 1, 1, f"{name}_project", relu=False)
    if row.stride == 1 and channels == row.channels:
        x = layers.Add(name=f"{name}_add")([block_input, x])
    return x


def _conv(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str, *, relu: bool = True
) -> keras.KerasTensor:
    """Adds a convolution, batch normalization and ReLU."""
    from keras import layers

    x, padding = _padded(x, kernel, stride, name)
    x = layers.Conv2D(
        filters, kernel, stride, padding=padding, use_bias=False, kernel_initializer=RELU_INIT, name=f"{name}_conv"
    )(x)
    x = batch_norm(f"{name}_bn", epsilon=EPSILON)(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _depthwise(x: keras.KerasTensor, kernel: int, stride: int, name: str, *, relu: bool = True) -> keras.KerasTensor:
    """Adds a depthwise convolution, batch normalization and ReLU."""
    from keras import layers

    x, padding = _padded(x, kernel, stride, name)
    x = layers.DepthwiseConv2D(
        kernel,
        stride,
        padding=padding,
        use_bias=False,
        depthwise_initializer=depthwise_init(kernel),
        name=f"{name}_depthwise",
    )(x)
    x = batch_norm(f"{name}_bn", epsilon=EPSILON)(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _padded(x: keras.KerasTensor, kernel: int, stride: int, name: str) -> tuple[keras.KerasTensor, str]:
    """Pads all sides alike where a stride would make `padding="same"` do otherwise; returns the padding still to do."""
    from keras import layers

    if stride == 1 or kernel == 1:
        return x, "same"
    return layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"
