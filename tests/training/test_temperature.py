"""Temperature scaling: what is fitted, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zoo
from tests.branches import Aware
from zoo import graph
from zoo.tasks.confidence import calibration_error
from zoo.training.tasks.temperature import Temperature, fit, logits_path, scale


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def answers(count: int, factor: float) -> tuple[Any, Any]:
    """Labels drawn by the probabilities of logits, and the scores of a model whose logits are `factor` times those."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (count, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits)])
    return softmax(factor * logits).astype(np.float32), labels


@pytest.mark.parametrize("factor", [2.5, 0.5])
def test_the_temperature_undoes_what_makes_a_model_too_sure_or_too_unsure(factor: float) -> None:
    scores, labels = answers(4000, factor)
    found = fit(scores, labels)
    assert found.value == pytest.approx(factor, rel=0.08)
    assert (found.count, found.why_not) == (4000, "")
    right = scores.argmax(axis=1) == labels
    scaled = found.apply(scores)
    assert (scaled.argmax(axis=1) == scores.argmax(axis=1)).all()
    assert calibration_error(scaled.max(axis=1), right) < 0.03
    assert calibration_error(scores.max(axis=1), right) > 0.1


def test_no_other_temperature_has_a_lower_cross_entropy() -> None:
    scores, labels = answers(300, 1.7)
    found = fit(scores, labels)

    def entropy(value: float) -> float:
        chosen = Temperature(value).apply(scores)[np.arange(len(labels)), labels]
        return float(-np.log(chosen).mean())

    best = entropy(found.value)
    assert all(best <= entropy(found.value * factor) + 1e-7 for factor in (0.8, 0.95, 1.05, 1.2))


def test_files_that_show_no_temperature_leave_it_at_one() -> None:
    scores, labels = answers(49, 2)
    assert fit(scores, labels) == Temperature(1.0, 49, "49 validation files are too few, 50 are needed")
    scores, _ = answers(60, 2)
    found = fit(scores, scores.argmax(axis=1))
    assert (found.value, found.why_not) == (1.0, "none of 60 validation files is missed, which shows no doubt")


def test_scores_of_zero_do_no_harm() -> None:
    scores = np.tile(np.array([[1, 0, 0]], np.float32), (60, 1))
    found = fit(scores, np.arange(60) % 2)
    assert np.isfinite(found.value)
    assert found.value > 5
    assert np.isfinite(found.apply(scores)).all()


def dense(layers: Any) -> list[Any]:
    return [layers.Flatten(), layers.Dense(3, activation="softmax")]


def activation(layers: Any) -> list[Any]:
    return [layers.Flatten(), layers.Dense(3, use_bias=False), layers.Dropout(0.5), layers.Activation("softmax")]


def convolution(layers: Any) -> list[Any]:
    return [layers.Conv2D(3, 1), layers.GlobalAveragePooling2D(), layers.Softmax()]


def nested(layers: Any) -> list[Any]:
    import keras

    return [keras.Sequential([keras.Input((4, 4, 2)), layers.Flatten(), layers.Dense(3)]), layers.Softmax()]


@pytest.mark.parametrize("ending", [dense, activation, convolution, nested])
def test_the_model_gives_the_scaled_scores_itself(
    ending: Callable[[Any], list[Any]], randomize: Callable[..., Any], inputs_for: Callable[..., Any]
) -> None:
    import keras

    model = randomize(keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Rescaling(0.01), *ending(keras.layers)]))
    inputs = inputs_for((4, 4, 2), 20)
    before = np.asarray(model(inputs))
    assert scale(model, Temperature(3.0, 100))
    np.testing.assert_allclose(np.asarray(model(inputs)), Temperature(3.0).apply(before), atol=1e-5)
    assert np.abs(np.asarray(model(inputs)) - before).max() > 0.01


@pytest.mark.slow
def test_every_classifier_of_the_zoo_can_be_scaled() -> None:
    for name in (name for name in zoo.list_models() if zoo.spec(name).task == "classification"):
        with graph.unallocated():
            path = logits_path(zoo.build(name))
        assert path is not None
        assert path[-1].name == "logits"


def test_a_model_whose_logits_no_weights_scale_stays_as_it_is() -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(3), keras.layers.LayerNormalization(), keras.layers.Softmax()]
    )
    before = model.get_weights()
    assert not scale(model, Temperature(2.0, 100))
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    relu = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Softmax()])
    assert not scale(relu, Temperature(2.0, 100))


def test_a_model_for_int8_is_scaled_with_its_range_so_that_no_stored_number_changes(aware_lenet: Aware) -> None:
    model, before = aware_lenet.aware, aware_lenet.aware.get_weights()
    numbers = np.asarray(model.get_layer("logits").grid()[0])
    scores = np.asarray(model(aware_lenet.inputs))
    try:
        assert scale(model, Temperature(2.0, 100))
        np.testing.assert_array_equal(np.asarray(model.get_layer("logits").grid()[0]), numbers)
        found = np.asarray(model(aware_lenet.inputs))
        np.testing.assert_allclose(found, Temperature(2.0).apply(scores), atol=1e-4)
    finally:
        model.set_weights(before)
