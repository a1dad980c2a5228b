"""Weights out of a TensorFlow Lite model that stands in another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import fill, some_inputs
from zoo.errors import WeightsError
from zoo.published import Inside
from zoo.weights.formats import lite

BEFORE = b"names\n"
INSIDE = Inside(
    len(BEFORE), ("wide", "deep", "scores"), {"wide": "wide_bn", "deep": "deep_bn"}, frozenset({"scores"}), classes=3
)


def net(outputs: int) -> Any:
    """Two normalized convolutions, and one for two anchors."""
    import keras
    from keras import layers

    pixels = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name="wide")(pixels)
    x = layers.ReLU(6)(layers.BatchNormalization(epsilon=1e-3, name="wide_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="deep")(x)
    x = layers.ReLU(6)(layers.BatchNormalization(epsilon=1e-3, name="deep_bn")(x))
    x = layers.Conv2D(outputs, 1, name="scores")(x)
    return keras.Model(pixels, x)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A net with a background class and its file, with weights of 16 bits and normalization folded in."""
    import tensorflow as tf

    model = fill(net(6))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    path = tmp_path_factory.mktemp("published") / "assets.data"
    path.write_bytes(BEFORE + converter.convert())
    return model, path


def test_a_net_with_its_weights_answers_as_the_file_does(published: tuple[Any, Path]) -> None:
    theirs, path = published
    ours = net(4)
    found = {layer.name: layer.arrays for layer in lite.read(path, INSIDE).layers}
    assert list(found) == ["wide", "wide_bn", "deep", "deep_bn", "scores"]
    for name, arrays in found.items():
        ours.get_layer(name).set_weights(arrays)
    pixels = some_inputs((16, 16, 3)) / 255
    # The first class of each anchor, the background, is left out.
    expected = np.asarray(theirs(pixels, training=False))[..., [1, 2, 4, 5]]
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(np.asarray(ours(pixels, training=False)), expected, atol=2e-3 * np.ptp(expected))


def test_a_convolution_without_a_name_is_left_out(published: tuple[Any, Path]) -> None:
    _, path = published
    found = lite.read(path, Inside(len(BEFORE), ("wide", "", ""), {"wide": "wide_bn"}))
    assert [layer.name for layer in found.layers] == ["wide", "wide_bn"]


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (Inside(len(BEFORE), ("wide", "deep")), "it has 3 convolutions, and not 2"),
        (Inside(len(BEFORE) + 1, INSIDE.layers), "does not carry the mark"),
        (
            Inside(len(BEFORE), INSIDE.layers, background=frozenset({"scores"}), classes=4),
            "for 'scores' has 6 outputs for 4 classes",
        ),
    ],
)
def test_another_model_is_refused(published: tuple[Any, Path], inside: Inside, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        lite.read(published[1], inside)
    assert str(caught.value).startswith(f"cannot read weights from {published[1]}: ")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_refused_or_read_and_never_anything_else(published: tuple[Any, Path], tmp_path: Path) -> None:
    content, path = published[1].read_bytes(), tmp_path / "damaged.data"
    rng, refused = np.random.default_rng(0), []
    for trial in range(150):
        damaged = bytearray(content[: len(content) if trial % 3 else int(rng.integers(len(content)))])
        for _ in range(trial % 3):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        path.write_bytes(damaged)
        try:
            lite.read(path, INSIDE)
        except WeightsError as error:
            refused.append(str(error))
    assert len(refused) >= 50  # what is cut short has no end
    assert not [message for message in refused if "\n" in message]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read weights from .*none.data: No such file"):
        lite.read(tmp_path / "none.data", INSIDE)
