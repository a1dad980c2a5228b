"""A small net with every kind of layer of the zoo's convolutional nets, and what computes as its int8 file does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Aware:
    """A model, some of its inputs, and the model that computes as its int8 file does."""

    model: Any
    inputs: npt.NDArray[Any]
    aware: Any

    @classmethod
    def of(cls, model: Any, inputs: npt.NDArray[np.float32], **options: Any) -> Aware:
        """Builds the model for int8, with the ranges of the inputs."""
        from zoo.compress.graph import calibrate, quantize_aware

        aware = quantize_aware(model, **options)
        calibrate(aware, inputs)
        return cls(model, inputs, aware)


def ranges_of(model: Any) -> list[Any]:
    """Returns the ranges of a model, `zoo.compress.fake.ActivationRange`, in the order of its graph."""
    from zoo.compress.graph import is_range

    return [layer for layer in model.layers if is_range(layer)]


def branches() -> Any:
    """Builds a net of pixels `(batch, 16, 16, 3)` and four classes, with batch normalization and random weights."""
    import keras
    from keras import layers

    pixels = keras.Input((16, 16, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(pixels)
    x = layers.Rescaling(1.0, offset=[0.1, 0.2, 0.3], name="center")(x)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(8, 3, 2, use_bias=False, name="first")(x)
    x = layers.ReLU(6, name="first_relu")(layers.BatchNormalization(name="first_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    y = layers.ReLU(name="depthwise_relu")(layers.BatchNormalization(name="depthwise_bn")(y))
    y = layers.Conv2D(8, 1, groups=2, name="grouped")(y)
    x = layers.ReLU(name="sum_relu")(layers.Add(name="sum")([x, y]))
    small = layers.MaxPooling2D(2, name="pool")(x)
    small = layers.Conv2D(8, 1, activation="relu", name="small")(small)
    x = layers.Add(name="pyramid")([layers.UpSampling2D(2, name="up")(small), x])
    left, right = layers.Conv2D(4, 1, name="left")(x), layers.Conv2D(4, 1, activation="relu6", name="right")(x)
    x = layers.Concatenate(name="joined")([left, right])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return keras.Model(pixels, layers.Dense(4, activation="softmax", name="classes")(x), name="branches")
