"""VGG-16. Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014.

https://arxiv.org/abs/1409.1556, table 1, column D. Layer names are those of keras.applications. The mean pixel of
the training set is subtracted (section 2.1) by a separate layer behind the scaling to [-1, 1]. So the padding of the
first convolution stands for the mean colour; no kernel could give the same outputs with another padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.accuracies import Accuracies
from zoo.models.layers import RELU_INIT, classifier_head, image_input
from zoo.pixels import CAFFE, IMAGENET_MEAN
from zoo.published import KERAS_APPLICATIONS, Backbone, PublishedWeights, WeightsFile
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

# Filters of the 3x3 convolutions of each block; a 2x2 max pool with stride 2 ends it.   # output at 224x224
BLOCKS = (
    (64, 64),  # 112x112
    (128, 128),  # 56x56
    (256, 256, 256),  # 28x28
    (512, 512, 512),  # 14x14
    (512, 512, 512),  # 7x7
)
DENSE = (4096, 4096)
ADDRESS = f"{KERAS_APPLICATIONS}vgg16/vgg16_weights_tf_dim_ordering_tf_kernels"
# The addresses and MD5s are those of `keras/src/applications/vgg16.py` (3.15).
IMAGENET = PublishedWeights(
    name="imagenet",
    trained_on="ImageNet",
    classes=1000,
    files=(
        # The dense layers can be used with any number of classes, but fit only one input size.
        WeightsFile(
            f"{ADDRESS}.h5",
            {"head": "dense", "input_size": 224},
            input_size=224,
            md5="64373286793e3c8b2b4e3219cbf3544b",
            most_bytes=560_000_000,
        ),
        WeightsFile(
            f"{ADDRESS}_notop.h5",
            input_size=224,
            md5="6d6bbae143d832006294945121d1f1fc",
            most_bytes=60_000_000,
        ),
    ),
    pixels=CAFFE,
    source="the VGG group at Oxford, by way of Keras Applications",
    licence="CC BY 4.0",
)
ACCURACIES = Accuracies(
    source="Keras Applications, table of available models",
    url="https://keras.io/api/applications/",
    columns=("input_size", "top1", "top5"),
    figures=((224, 71.3, 90.1),),
)
RECIPE = {
    "epochs": 60, "learning_rate": 5e-5, "warmup_epochs": 3, "patience": 15, "label_smoothing": 0.1,
    "augment": "standard",
}  # fmt: skip
TRANSFER_RECIPE = {
    "epochs": 15, "learning_rate": 2e-5, "head_learning_rate": 1e-3, "freeze": "block4_pool", "label_smoothing": 0.1,
    "augment": "standard",
}  # fmt: skip


@register(
    ModelSpec(
        name="vgg16",
        summary="thirteen 3x3 convolutions, three dense layers; large, plain, easy to follow",
        paper="Simonyan & Zisserman, Very Deep Convolutional Networks, 2014",
        url="https://arxiv.org/abs/1409.1556",
        input_shape=(224, 224, 3),
        params=138_357_544,
        macs=15_470_264_320,
        options=(
            NUM_CLASSES,
            Option("input_size", "width and height of the pictures", minimum=32, in_name="{}"),
            Option(
                "head",
                "classification head: dense, the paper's two layers of 4096 units, or average, global average pooling, "
                "which is far smaller",
                kind=str,
                choices=("dense", "average"),
                in_name="{}",
            ),
            DROPOUT,
        ),
        recipe=RECIPE,
        transfer_recipe=TRANSFER_RECIPE,
        weights=(IMAGENET,),
        accuracies=ACCURACIES,
        backbone=Backbone(last="block5_conv3", pixels=CAFFE),
    )
)
def vgg16(*, num_classes: int = 1000, input_size: int = 224, head: str = "dense", dropout: float = 0.5) -> keras.Model:
    """Builds VGG-16; 32 is the smallest input that leaves a pixel behind the fifth pooling.

    With `head="average"` the convolutions' outputs are averaged and no large dense layers follow: 14.7 million
    parameters and the classes', a ninth of the paper's.
    """
    import keras
    from keras import layers

    pixels, x = image_input(input_size, mean=IMAGENET_MEAN)
    for b, filters_of_block in enumerate(BLOCKS, start=1):
        for i, filters in enumerate(filters_of_block, start=1):
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=RELU_INIT,
                name=f"block{b}_conv{i}",
            )(x)
        x = layers.MaxPooling2D(2, 2, name=f"block{b}_pool")(x)
    if head == "average":
        x = layers.GlobalAveragePooling2D(name="global_average_pool")(x)
        x = layers.Dropout(dropout, name="dropout")(x)
        return keras.Model(pixels, classifier_head(x, num_classes))
    x = layers.Flatten(name="flatten")(x)
    for i, units in enumerate(DENSE, start=1):
        x = layers.Dense(units, activation="relu", kernel_initializer=RELU_INIT, name=f"fc{i}")(x)
        x = layers.Dropout(dropout, name=f"drop{i}")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))
