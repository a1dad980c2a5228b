"""Makes the files beside this one with Keras 2: `python make.py`, where the package `tf_keras` is installed.

Each model is stored with inputs and its answers to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras  # type: ignore[import-not-found]  # installed for this alone

L = keras.layers


def tutorial() -> Any:
    """Augmentation, `preprocess_input`, and a backbone that was frozen after it was built: the transfer tutorial."""
    entry = keras.Input((16, 16, 3))
    base = keras.Sequential(
        [L.Conv2D(4, 3, input_shape=(16, 16, 3)), L.BatchNormalization(), L.ReLU(6.0), L.DepthwiseConv2D(3)]
    )
    base.layers[0].trainable = False
    x = keras.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.2)])(entry)
    x = base(keras.applications.mobilenet_v2.preprocess_input(x), training=False)
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))
    return keras.Model(entry, L.Dense(3, activation="softmax")(x))


def teachable() -> Any:
    """Two Sequential models in one, the second of two dense layers: what Teachable Machine exports."""
    entry = keras.Input((16, 16, 3))
    backbone = keras.Model(entry, L.SeparableConv2D(4, 3)(L.Conv2D(4, 3, strides=2)(entry)), name="backbone")
    features = keras.Sequential([backbone, L.GlobalAveragePooling2D()])
    head = keras.Sequential(
        [L.Dense(5, activation="relu", input_shape=(4,)), L.Dense(3, use_bias=False, activation="softmax")]
    )
    return keras.Sequential([features, head])


def functions() -> Any:
    """Operators and functions of TensorFlow in the graph, with constants, lists and slices, and slashes in names."""
    entry = keras.Input((16, 16, 3))
    x = 1.0 - keras.applications.resnet50.preprocess_input(entry) / 255.0
    a, b = L.Conv2D(2, 3, name="stage/a")(x), L.Conv2D(2, 3, name="stage/b")(x)
    x = tf.reduce_mean(tf.concat([tf.nn.relu(a * b + a), a], -1), axis=[1, 2])
    return keras.Model(entry, tf.nn.softmax(L.Dense(3)(x)))


def arguments() -> Any:
    """Layers with arguments that Keras 3 has dropped or renamed, and attention, which is called on two tensors."""
    entry = keras.Input((8, 6))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.TimeDistributed(L.Dense(4))(entry))
    x = L.LayerNormalization()(L.MultiHeadAttention(2, 3)(x, x) + x)
    x = L.Conv1DTranspose(2, 3)(L.LeakyReLU(alpha=0.1)(x))
    return keras.Model(entry, L.Dense(3)(L.Flatten()(x)))


def normalized() -> Any:
    """A normalization with its statistics in a nested model."""
    entry = keras.Input((4,))
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(2).normal(3, 5, (50, 4)))
    inner = keras.Sequential([keras.Input((4,)), layer, L.Dense(3, dtype="mixed_float16")])
    return keras.Model(entry, L.Dense(2, dtype="float32")(inner(entry)))


def local() -> Any:
    """A layer that Keras 3 does not have."""
    return keras.Sequential([L.LocallyConnected1D(2, 3, input_shape=(6, 2)), L.Flatten(), L.Dense(2)])


def main() -> None:
    """Writes all files."""
    rng = np.random.default_rng(0)
    for make in (tutorial, teachable, functions, arguments, normalized, local):
        model = make()
        moved = [value + rng.uniform(0, 0.05, value.shape) if value.ndim else value for value in model.get_weights()]
        model.set_weights(moved)
        inputs = rng.integers(0, 256, (3, *model.input_shape[1:])).astype(np.float32)
        if make not in (tutorial, functions):
            inputs = inputs / 127.5 - 1
        if make is tutorial:
            model.layers[-4].trainable = False
        name = make.__name__
        model.save(f"{name}.h5")
        if make is not functions:  # which Keras 2 cannot write as .keras
            model.save(f"{name}.keras")
        np.savez_compressed(f"{name}.npz", inputs=inputs, answers=model.predict(inputs, verbose=0))


if __name__ == "__main__":
    main()
