"""A small 1-D convolutional net for windows of sensor values, e.g. an accelerometer's.

After Kiranyaz et al.: 1D Convolutional Neural Networks and Applications: A Survey, 2021,
https://doi.org/10.1016/j.ymssp.2020.107398
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.layers import RELU_INIT, classifier_head
from zoo.registry import register
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

# Filters, kernel; a max pool of 2 follows each.   # output at 128 steps
CONVS = (
    (16, 5),  # 128, pooled to 64
    (32, 5),  # 64, pooled to 32
    (64, 3),  # 32, pooled to 16
)


@register(
    ModelSpec(
        name="conv1d",
        summary="three 1-D convolutions for windows of sensor values",
        paper="Kiranyaz et al., 1D Convolutional Neural Networks and Applications, 2021",
        url="https://doi.org/10.1016/j.ymssp.2020.107398",
        input_shape=(128, 6),
        params=9_686,
        macs=422_272,
        options=(
            NUM_CLASSES,
            Option("width", "number of values of each channel in a window", minimum=8, in_name="{}"),
            Option("channels", "number of sensor channels", minimum=1, in_name="c{}"),
            DROPOUT,
        ),
        recipe={"epochs": 40, "batch_size": 64},
    )
)
def conv1d(*, num_classes: int = 6, width: int = 128, channels: int = 6, dropout: float = 0.2) -> keras.Model:
    """Builds the net on `(width, channels)` windows, whose values it does not scale: scale them as in training."""
    import keras
    from keras import layers

    inputs = x = keras.Input((width, channels), name="window")
    for i, (filters, kernel) in enumerate(CONVS, start=1):
        x = layers.Conv1D(
            filters, kernel, padding="same", activation="relu", kernel_initializer=RELU_INIT, name=f"conv{i}"
        )(x)
        x = layers.MaxPooling1D(2, name=f"pool{i}")(x)
    x = layers.GlobalAveragePooling1D(name="global_average_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, classifier_head(x, num_classes))
