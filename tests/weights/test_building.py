"""Weights from files, for models whose layers Keras names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import WeightsError
from zoo.models.layers import image_input
from zoo.weights.formats.files import load_model


@pytest.fixture
def unnamed(own_registry: None) -> None:
    """Registers a model of which no layer has a name of its own, so that they differ from one build to the next."""

    @zoo.register
    def unnamed(*, num_classes: int = 3, input_size: int = 8) -> Any:
        import keras
        from keras import layers

        pixels, x = image_input(input_size)
        inner = keras.Sequential([keras.Input(x.shape[1:]), layers.Conv2D(4, 3, activation="relu")])
        x = layers.GlobalAveragePooling2D()(inner(x))
        x = layers.Dense(5, "relu")(x)
        return keras.Model(pixels, layers.Dense(num_classes, "softmax")(x))


@pytest.mark.slow
@pytest.mark.usefixtures("unnamed")
def test_layers_that_keras_names_by_itself_get_their_weights(randomize: Callable[..., Any], tmp_path: Path) -> None:
    trained = randomize(zoo.build("unnamed"))
    trained.save(tmp_path / "trained.keras")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    expected = trained(pixels).numpy()
    # Whole, with a new head, and into a model that is there.
    np.testing.assert_allclose(zoo.build("unnamed", weights=tmp_path / "trained.keras")(pixels), expected, rtol=1e-5)
    wider = zoo.build("unnamed", weights=tmp_path / "trained.keras", num_classes=4)
    assert wider.output_shape == (None, 4)
    for ours, theirs in zip(wider.get_weights()[:-2], trained.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    model = zoo.build("unnamed")
    zoo.load_weights(model, tmp_path / "trained.keras")
    np.testing.assert_allclose(model(pixels), expected, rtol=1e-5)


@pytest.mark.usefixtures("unnamed")
def test_a_file_of_weights_alone_is_told_the_way_on(tmp_path: Path) -> None:
    path = tmp_path / "trained.weights.h5"
    zoo.build("unnamed").save_weights(path)
    with pytest.raises(WeightsError, match=r"it holds weights alone; load them into their model.*zoo build MODEL"):
        load_model(path)
