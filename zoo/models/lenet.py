"""A net in the style of LeNet-5. LeCun et al.: Gradient-Based Learning Applied to Document Recognition, 1998, figure 2.

http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf. As it is taught today: ReLU for the scaled tanh, max pooling
for the trainable subsampling, a softmax for the RBF output, and 28x28 pictures padded by the first layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.layers import RELU_INIT, classifier_head, image_input
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

# Filters, padding of the 5x5 convolutions; a 2x2 max pool follows each.   # output at 28x28
CONVS = (
    (6, "same"),  # 28x28, pooled to 14x14
    (16, "valid"),  # 10x10, pooled to 5x5
)
DENSE = (120, 84)


@register(
    ModelSpec(
        name="lenet",
        summary="LeNet-5 style; trains on handwritten digits in a minute",
        paper="LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998",
        url="http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf",
        input_shape=(28, 28, 1),
        params=61_706,
        macs=416_520,
        options=(
            NUM_CLASSES,
            Option("input_size", "width and height of the pictures", minimum=12, in_name="{}"),
            Option("channels", "colour channels: 1 for gray pictures, 3 for colour", choices=(1, 3), in_name="c{}"),
            DROPOUT,
        ),
        recipe={"epochs": 30, "batch_size": 64, "learning_rate": 2e-3, "augment": "light"},
    )
)
def lenet(*, num_classes: int = 10, input_size: int = 28, channels: int = 1, dropout: float = 0.0) -> keras.Model:
    """Builds a LeNet-5 style net; 12 is the smallest input that leaves a pixel behind the second pooling."""
    import keras
    from keras import layers

    pixels, x = image_input(input_size, channels)
    for i, (filters, padding) in enumerate(CONVS, start=1):
        x = layers.Conv2D(
            filters, 5, padding=padding, activation="relu", kernel_initializer=RELU_INIT, name=f"conv{i}"
        )(x)
        x = layers.MaxPooling2D(2, 2, name=f"pool{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for i, units in enumerate(DENSE, start=len(CONVS) + 1):
        x = layers.Dense(units, activation="relu", kernel_initializer=RELU_INIT, name=f"fc{i}")(x)
        x = layers.Dropout(dropout, name=f"drop{i}")(x)
    return keras.Model(pixels, classifier_head(x, num_classes))
