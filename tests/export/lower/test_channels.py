"""Turned channels and scales of single channels, as convolutions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from zoo.export.lower.lowering import lower

OFFSET = [-103.939, -116.779, -123.68]
STEPS = {
    "turned": lambda x: x[..., ::-1],
    "turned, all axes named": lambda x: x[:, :, :, ::-1],
    "centred": layers.Rescaling(1.0, offset=OFFSET),
    "scaled by channel": layers.Rescaling([0.1, 0.2, 0.3], offset=1.0),
    "turned and centred": lambda x: layers.Rescaling([1.0] * 3, offset=OFFSET)(x[..., ::-1]),
    "scaled, then turned": lambda x: layers.Rescaling(1 / 255)(x)[..., ::-1],
}


def _model(step: Any, channels: int = 3) -> keras.Model:
    inputs = keras.Input((6, 6, channels))
    return keras.Model(inputs, layers.Conv2D(2, 3, name="first")(step(inputs)))


def _convolutions(model: keras.Model) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D) and layer.name != "first"]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_becomes_one_convolution_with_the_same_numbers(name: str) -> None:
    model = _model(STEPS[name])
    lowered = lower(model)
    (twin,) = _convolutions(lowered)
    assert twin.kernel_size == (1, 1)
    assert "GetItem" not in {type(one).__name__ for one in lowered.operations}
    x = np.random.default_rng(0).uniform(0, 255, (1, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(lowered(x), model(x), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("step", "channels"),
    [
        (layers.Rescaling(1 / 255, offset=-1), 3),
        (lambda x: x[:, ::-1], 3),
        (lambda x: x[..., ::-1], 16),
        (layers.Rescaling([2.0], offset=[1.0]), 1),
        (lambda x: x[..., :2], 3),
    ],
    ids=["one scale", "turned upside down", "feature maps", "gray", "fewer channels"],
)
def test_other_steps_are_left_alone(step: Any, channels: int) -> None:
    assert not _convolutions(lower(_model(step, channels)))


def test_a_loaded_model_is_treated_alike(tmp_path: Any) -> None:
    _model(STEPS["turned and centred"]).save(tmp_path / "m.keras")
    assert len(_convolutions(lower(keras.models.load_model(tmp_path / "m.keras")))) == 1


def test_steps_of_as_many_channels_as_allowed_become_a_convolution_and_those_of_one_never() -> None:
    for channels, becomes in ((1, 0), (2, 1), (4, 1), (5, 0)):
        model = _model(layers.Rescaling(1.0, offset=[0.5] * channels if channels > 1 else 0.5), channels)
        assert len(_convolutions(lower(model))) == becomes, channels


@pytest.mark.parametrize(
    "step", [layers.Rescaling([0.1, 0.2]), layers.Rescaling(1.0, offset=[0.1, 0.2]), lambda x: x[..., ::-1]]
)
def test_two_channels_are_as_good_as_three(step: Any) -> None:
    model = _model(step, 2)
    lowered = lower(model)
    assert len(_convolutions(lowered)) == 1
    x = np.random.default_rng(0).uniform(0, 255, (1, 6, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(lowered(x), model(x), rtol=1e-5, atol=1e-3)


def test_a_series_of_few_channels_is_no_picture() -> None:
    inputs = keras.Input((6, 3))
    for step in (lambda x: x[..., ::-1], layers.Rescaling([0.1, 0.2, 0.3])):
        lowered = lower(keras.Model(inputs, layers.Conv1D(2, 3, name="first")(step(inputs))))
        assert not _convolutions(lowered)


def test_a_scale_stays_behind_turned_channels_alone() -> None:
    """Behind another convolution it is one of its own: that of the converter would be of other channels."""
    inputs = keras.Input((6, 6, 3))
    before = layers.Conv2D(3, 1, name="first")(inputs)
    model = keras.Model(inputs, layers.Rescaling([0.1, 0.2, 0.3], name="scaled")(before))
    assert [one.name for one in _convolutions(lower(model))] == ["scaled"]
    both = _model(STEPS["turned and centred"])
    assert [type(one).__name__ for one in lower(both).layers].count("Rescaling") == 1
