"""Small nets whose int8 form loses in a known place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CLASSES = 5


def pictures(count: int = 40) -> Array:
    """Noisy pictures of one colour each, `(count, 16, 16, 3)`, 0..255."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (count, 1, 1, 3))
    return np.asarray((colours + rng.integers(-60, 61, (count, 16, 16, 3))).clip(0, 255), np.float32)


def depthwise_net(*, cap: float | None = None, uneven: float = 1.0) -> Any:
    """A net of a convolution, a depthwise one, a pointwise one and a dense layer, with random weights.

    Args:
        cap: where its activations cut off; None for plain ReLU.
        uneven: by how much every other channel is scaled down between the first two layers; without a cap the answers
            do not depend on it.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    entry = keras.Input((16, 16, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(entry)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="first")(x)
    x = layers.ReLU(cap, name="first_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU(cap, name="depthwise_relu")(x)
    x = layers.Conv2D(16, 1, name="pointwise")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(cap, name="pointwise_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(CLASSES, name="logits")(x)
    model = keras.Model(entry, layers.Softmax(name="softmax")(x), name="depthwise_net")
    _fill(model)
    factors = np.where(np.arange(16) % 2, uneven, 1)
    first, depthwise = model.get_layer("first"), model.get_layer("depthwise")
    first.set_weights([np.asarray(one) / factors for one in first.get_weights()])
    kernel, bias = depthwise.get_weights()
    depthwise.set_weights([kernel * factors[:, np.newaxis], bias])
    return _centred(model)


def with_outlier(layer: str = "pointwise") -> Any:
    """The net with plain ReLU, in which one channel that nothing reads is far larger than all others."""
    model = depthwise_net()
    one = model.get_layer(layer)
    kernel, bias = one.get_weights()
    bias[0] = 3000.0
    one.set_weights([kernel, bias])
    dense = model.get_layer("logits")
    kernel, bias = dense.get_weights()
    kernel[0] = 0
    dense.set_weights([kernel, bias])
    return _centred(model)


def _centred(model: Any) -> Any:
    """Gives the classes weights with which each is named now and then, and most of them clearly."""
    import keras

    dense = model.get_layer("logits")
    kernel, bias = dense.get_weights()
    seen = np.asarray(keras.Model(model.inputs[0], dense.output)(pictures(), training=False))
    gain = 4 / seen.std(axis=0)
    dense.set_weights([kernel * gain, (bias - seen.mean(axis=0)) * gain])
    return model


def _fill(model: Any) -> None:
    """Draws weights with which the classes of `pictures` differ."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        weights = layer.get_weights()
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([rng.uniform(0.5, 1.5, 16), rng.normal(0, 0.1, 16), rng.normal(0, 0.1, 16), np.ones(16)])
        elif weights:
            kernel = weights[0]
            fan_in = 9 if type(layer).__name__ == "DepthwiseConv2D" else int(np.prod(kernel.shape[:-1]))
            gain = 40 if layer.name == "logits" else 2
            layer.set_weights(
                [rng.standard_normal(kernel.shape) * np.sqrt(gain / fan_in), rng.normal(0, 0.1, len(weights[1]))]
            )
