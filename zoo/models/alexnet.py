"""AlexNet. Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, 2012.

https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
The paper's two GPUs become the two groups of conv2, conv4 and conv5. Its local response normalization (section 3.3) is
left out unless asked for, as in most later descriptions, because it has no int8 kernel and gains little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.layers import RELU_INIT, classifier_head, image_input
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, Caution, ModelSpec, Option

if TYPE_CHECKING:
    import keras

#   filters, kernel, stride, grouped, max pool 3x3 stride 2 behind it     # output at 224x224
CONVS = (
    (96, 11, 4, False, True),  # 55x55, pooled to 27x27
    (256, 5, 1, True, True),  # 27x27, pooled to 13x13
    (384, 3, 1, False, False),  # 13x13
    (384, 3, 1, True, False),  # 13x13
    (256, 3, 1, True, True),  # 13x13, pooled to 6x6
)
DENSE = (4096, 4096)

NORMALIZED = (1, 2)
"""The convolutions that local response normalization follows, where it is asked for (section 3.5)."""
CAUTION = Caution(
    "local response normalization has no integer kernel, so int8 and int16x8 files of this net cannot be written: take "
    "--quantize dynamic or float16, or leave out --lrn",
    ("int8", "int16x8"),
    {"lrn": (True,)},
)

RECIPE = {
    "epochs": 60, "learning_rate": 1e-4, "warmup_epochs": 3, "patience": 15, "label_smoothing": 0.1,
    "augment": "standard",
}  # fmt: skip


@register(
    ModelSpec(
        name="alexnet",
        summary="five convolutions, three dense layers; the 2012 ImageNet winner",
        paper="Krizhevsky et al., ImageNet Classification with Deep CNNs, 2012",
        url="https://papers.nips.cc/paper/4824",
        input_shape=(224, 224, 3),
        params=60_965_224,
        macs=724_406_816,
        options=(
            NUM_CLASSES,
            Option(
                "groups", "number of groups of the convolutions conv2, conv4 and conv5", choices=(1, 2), in_name="g{}"
            ),
            Option(
                "lrn",
                "whether local response normalization follows conv1 and conv2, as in the paper",
                kind=bool,
                in_name="lrn",
            ),
            Option("input_size", "width and height of the pictures", minimum=63, in_name="{}"),
            DROPOUT,
        ),
        recipe=RECIPE,
        cautions=(CAUTION,),
    )
)
def alexnet(
    *, num_classes: int = 1000, groups: int = 2, lrn: bool = False, input_size: int = 224, dropout: float = 0.5
) -> keras.Model:
    """Builds AlexNet; 63 is the smallest input that leaves a pixel behind the last pooling."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size)
    x = layers.ZeroPadding2D(2, name="conv1_pad")(x)
    for i, (filters, kernel, stride, grouped, pooled) in enumerate(CONVS, start=1):
        x = layers.Conv2D(
            filters,
            kernel,
            stride,
            padding="valid" if i == 1 else "same",
            groups=groups if grouped else 1,
            activation="relu",
            kernel_initializer=RELU_INIT,
            name=f"conv{i}",
        )(x)
        if lrn and i in NORMALIZED:
            from zoo.models.normalization import LocalResponseNormalization

            x = LocalResponseNormalization(name=f"norm{i}")(x)
        if pooled:
            x = layers.MaxPooling2D(3, 2, name=f"pool{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for i, units in enumerate(DENSE, start=len(CONVS) + 1):
        x = layers.Dropout(dropout, name=f"drop{i}")(x)
        x = layers.Dense(units, activation="relu", kernel_initializer=RELU_INIT, name=f"fc{i}")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))
