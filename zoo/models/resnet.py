"""ResNet. He et al.: Deep Residual Learning for Image Recognition, 2015.

https://arxiv.org/abs/1512.03385, table 1. ResNet-50 has the layers, their names and the biases of keras.applications'
ResNet50, whose weights are published; the first convolution of a stage has its stride, as in the paper. The mean pixel
of the training set is subtracted as in VGG-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.accuracies import Accuracies
from zoo.models.layers import RELU_INIT, classifier_head, image_input
from zoo.pixels import CAFFE, IMAGENET_MEAN
from zoo.published import KERAS_APPLICATIONS, Backbone, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

FIRST_FILTERS = 64
# Blocks of each stage. The blocks of ResNet-18 have two 3x3 convolutions, those of ResNet-50 1x1, 3x3 and 1x1.
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
BOTTLENECKS = {50}
# Filters of a stage's 3x3 convolutions, stride of its first block.   # output at 224x224
STAGES = (
    (64, 1),  # 56x56
    (128, 2),  # 28x28
    (256, 2),  # 14x14
    (512, 2),  # 7x7
)
WIDENING = 4
"""The factor by which the last 1x1 convolution of a bottleneck is wider than its 3x3 convolution."""
EPSILON = 1.001e-5
"""What keras.applications' ResNet50 adds to the variance in batch normalization."""

ADDRESS = f"{KERAS_APPLICATIONS}resnet/resnet50_weights_tf_dim_ordering_tf_kernels"
# The addresses and MD5s are those of `keras/src/applications/resnet.py` (3.15). ResNet-18 is not published there.
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    files=(
        WeightsFile(
            f"{ADDRESS}.h5",
            {"variant": 50, "num_classes": 1000},
            input_size=224,
            md5="2cb95161c43110f7111970584f804107",
            most_bytes=110_000_000,
        ),
        WeightsFile(
            f"{ADDRESS}_notop.h5",
            {"variant": 50},
            input_size=224,
            md5="4d473c1dd8becc155b73f8504c6f6626",
            most_bytes=100_000_000,
        ),
    ),
    pixels=CAFFE,
    source="Kaiming He, by way of Keras Applications",
    licence="MIT",
)
ACCURACIES = Accuracies(
    source="Keras Applications, table of available models",
    url="https://keras.io/api/applications/",
    columns=("variant", "input_size", "top1", "top5"),
    figures=((50, 224, 74.9, 92.1),),
    quantized="int8 after training costs 0.3 points of ResNet-50 at 224x224: 76.71 to 76.42, of other weights "
    "(TensorFlow Model Garden, QAT README)",
)
RECIPE = {
    "epochs": 100, "learning_rate": 1e-3, "warmup_epochs": 3, "patience": 25, "label_smoothing": 0.1,
    "augment": "standard", "weight_decay": 1e-4,
}  # fmt: skip
# Only the last stage is trained, because earlier layers detect general shapes.
TRANSFER_RECIPE = {
    "epochs": 20, "learning_rate": 5e-5, "freeze": "conv4_block6_out", "label_smoothing": 0.1, "augment": "standard",
}  # fmt: skip


def taps(options: Mapping[str, Any]) -> dict[int, str]:
    """Names the ends of the last three stages, by their strides."""
    last = BLOCKS[options["variant"]]
    return {8: f"conv3_block{last[1]}_out", 16: f"conv4_block{last[2]}_out", 32: f"conv5_block{last[3]}_out"}


@register(
    ModelSpec(
        name="resnet",
        summary="residual blocks of 3x3 and 1x1 convolutions; accurate and large, cheap for its MACs",
        paper="He et al., Deep Residual Learning for Image Recognition, 2015",
        url="https://arxiv.org/abs/1512.03385",
        input_shape=(224, 224, 3),
        params=25_636_712,
        macs=3_857_973_248,
        options=(
            NUM_CLASSES,
            Option("variant", "number of layers with weights", choices=tuple(BLOCKS), in_name="{}"),
            Option("input_size", "width and height of the pictures", minimum=32, in_name="{}"),
            DROPOUT,
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET,),
        accuracies=ACCURACIES,
        backbone=Backbone(last="conv5_block3_3_bn", pixels=CAFFE),
        taps=taps,
    )
)
def resnet(*, num_classes: int = 1000, variant: int = 50, input_size: int = 224, dropout: float = 0.0) -> keras.Model:
    """Builds ResNet-50 or ResNet-18; 32 is the smallest input that leaves a pixel behind the last stage."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size, mean=IMAGENET_MEAN)
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = _convolution(x, FIRST_FILTERS, 7, 2, "conv1", padding="valid", use_bias=variant in BOTTLENECKS)
    x = layers.ReLU(name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    block = bottleneck if variant in BOTTLENECKS else basic
    for stage, ((filters, first_stride), blocks) in enumerate(zip(STAGES, BLOCKS[variant], strict=True), start=2):
        for i in range(blocks):
            x = block(x, filters, first_stride if i == 0 else 1, f"conv{stage}_block{i + 1}")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))


def basic(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    """Adds a block of two 3x3 convolutions: `(batch, height, width, channels)` -> the same with `filters` channels."""
    from keras import layers

    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = _convolution(x, filters, 1, stride, f"{name}_0", use_bias=False)
    if stride != 1:
        # The paper pads a pixel on all sides, where Keras' "same" pads below and to the right.
        x = layers.ZeroPadding2D(1, name=f"{name}_1_pad")(x)
    x = _convolution(x, filters, 3, stride, f"{name}_1", padding="same" if stride == 1 else "valid", use_bias=False)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _convolution(x, filters, 3, 1, f"{name}_2", use_bias=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def bottleneck(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    """Adds a block of 1x1, 3x3 and 1x1 convolutions; the last one gives four times `filters` channels."""
    from keras import layers

    shortcut = x
    if stride != 1 or x.shape[-1] != WIDENING * filters:
        shortcut = _convolution(x, WIDENING * filters, 1, stride, f"{name}_0")
    x = layers.ReLU(name=f"{name}_1_relu")(_convolution(x, filters, 1, stride, f"{name}_1"))
    x = layers.ReLU(name=f"{name}_2_relu")(_convolution(x, filters, 3, 1, f"{name}_2"))
    x = _convolution(x, WIDENING * filters, 1, 1, f"{name}_3")
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def _convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    stride: int,
    name: str,
    *,
    padding: str = "same",
    use_bias: bool = True,
) -> keras.KerasTensor:
    """Adds a convolution and its batch normalization."""
    from keras import layers

    x = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=RELU_INIT,
        name=f"{name}_conv",
    )(x)
    return layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
