"""Cross-layer equalization: the answers stay the same, and one scale a layer is enough then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from tests.compress.nets import depthwise_net, pictures
from zoo.compress.diagnosis.diagnose import diagnose
from zoo.compress.equalize import SAFE, Pair, _balance, equalize, pairs_of
from zoo.compress.folding import fold_batch_norms

if TYPE_CHECKING:
    from tests.conftest import Array


@pytest.mark.slow
@pytest.mark.parametrize("cap", [None, 6.0])
def test_the_answers_stay_the_same(cap: float | None) -> None:
    model = depthwise_net(cap=cap, uneven=300)
    found = equalize(model, pictures())
    others = 255 - pictures()
    np.testing.assert_allclose(answers(found.model, pictures()), answers(model, pictures()), atol=1e-4)
    if cap is None:
        np.testing.assert_allclose(answers(found.model, others), answers(model, others), atol=1e-4)
    assert found.after < found.before / 5


@pytest.mark.slow
@pytest.mark.parametrize("cap", [None, 6.0])
def test_it_rescues_a_net_that_one_scale_a_layer_loses(cap: float | None) -> None:
    model = depthwise_net(cap=cap, uneven=300)
    lost = diagnose(model, pictures()).whole["per_tensor"]
    assert lost.changed > 0.3
    rescued = diagnose(equalize(model, pictures()).model, pictures()).whole["per_tensor"]
    assert rescued.divergence < lost.divergence / 20
    assert rescued.changed <= 0.1


def test_the_model_itself_stays_as_it_is() -> None:
    model = depthwise_net(uneven=300)
    before = model.get_weights()
    equalize(model, pictures())
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pairs_go_through_activations_and_pooling() -> None:
    folded = fold_batch_norms(depthwise_net(cap=6.0))
    pairs = [(pair.first.name, pair.second.name, pair.cap) for pair in pairs_of(folded)]
    assert pairs == [("first", "depthwise", 6.0), ("depthwise", "pointwise", 6.0), ("pointwise", "logits", 6.0)]


@pytest.mark.slow
def test_a_channel_that_reaches_the_cap_is_left_alone_and_no_other_is_scaled_to_it() -> None:
    model = depthwise_net(cap=6.0, uneven=300)
    layer = model.get_layer("first")
    kernel, bias = layer.get_weights()
    bias[3] = 50.0
    layer.set_weights([kernel, bias])
    found = equalize(model, pictures()).model
    np.testing.assert_array_equal(found.get_layer("first").get_weights()[0][..., 3], kernel[..., 3])
    import keras

    inside = keras.Model(found.inputs[0], found.get_layer("first_relu").output)
    largest = np.asarray(inside(pictures())).max(axis=(0, 1, 2))
    before = keras.Model(model.inputs[0], model.get_layer("first_relu").output)
    below = np.asarray(before(pictures())).max(axis=(0, 1, 2)) < 6
    assert not below[3]
    assert (largest[below] < 6).all()
    assert (
        largest[below] <= np.maximum(SAFE * 6, np.asarray(before(pictures())).max(axis=(0, 1, 2))[below]) * 1.001
    ).all()


def test_channels_behind_a_flattening_are_scaled_in_every_position() -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    entry = keras.Input((4, 4, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="conv")(entry)
    model = keras.Model(entry, layers.Dense(3, name="dense")(layers.Flatten()(layers.MaxPooling2D(2, 1)(x))))
    kernel = model.get_layer("conv").kernel
    kernel.assign(np.asarray(kernel) * np.array([1, 100, 1, 0.01, 1]))
    inputs = np.random.default_rng(0).standard_normal((12, 4, 4, 3)).astype(np.float32)
    found = equalize(model, inputs)
    assert found.pairs == 1
    np.testing.assert_allclose(answers(found.model, inputs), answers(model, inputs), rtol=1e-4, atol=1e-4)
    assert found.after < found.before / 5


def test_a_layer_that_two_others_read_is_no_pair() -> None:
    import keras
    from keras import layers

    entry = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 1, name="conv")(entry)
    model = keras.Model(entry, layers.Add()([x, layers.Conv2D(3, 1, name="other")(x)]))
    found = equalize(model, np.zeros((2, 4, 4, 3), np.float32))
    assert found.pairs == 0
    assert "nothing to equalize" in found.note


def answers(model: Any, inputs: Any) -> Any:
    return np.asarray(model(inputs, training=False))


def _pair(first: Array, second: Array, cap: float | None = None) -> Pair:
    """Two dense layers with these kernels, the first with biases of one."""
    a, b = keras.layers.Dense(first.shape[1], bias_initializer="ones"), keras.layers.Dense(second.shape[1])
    for layer, kernel in ((a, first), (b, second)):
        layer.build((None, len(kernel)))
        layer.kernel.assign(kernel)
    return Pair(a, b, cap, None)


def test_a_channel_gets_weights_of_one_size_on_both_sides() -> None:
    pair = _pair(np.array([[1.0, 0.25], [0.5, -0.1]], np.float32), np.array([[0.25, 0.0], [1.0, -0.5]], np.float32))
    change = _balance(pair, None)
    # The factors are the roots of (0.25 / 1) / (1 / 1) and of (1 / 1) / (0.25 / 1).
    np.testing.assert_allclose(np.asarray(pair.first.kernel), [[0.5, 0.5], [0.25, -0.2]])
    np.testing.assert_allclose(np.asarray(pair.second.kernel), [[0.5, 0.0], [0.5, -0.25]])
    np.testing.assert_allclose(np.asarray(pair.first.bias), [0.5, 2.0])
    assert change == pytest.approx(1.0)
    assert _balance(pair, None) == pytest.approx(0.0, abs=1e-6)


def test_a_cap_bounds_a_channel_by_what_it_reached_and_without_one_nothing_does() -> None:
    def scaled(cap: float | None, reached: list[float]) -> list[float]:
        pair = _pair(np.array([[1.0, 0.04]], np.float32), np.array([[0.04], [1.0]], np.float32), cap)
        _balance(pair, np.array(reached))
        return [float(one) for one in np.asarray(pair.first.bias)]

    # Without a cap the factors are 0.2 and 5; with one of 6 a channel may grow up to 4.8.
    assert scaled(None, [1.0, 2.4]) == pytest.approx([0.2, 5.0])
    assert scaled(6.0, [1.0, 2.4]) == pytest.approx([0.2, 2.0])
    assert scaled(6.0, [1.0, 5.0]) == pytest.approx([0.2, 1.0])
    assert scaled(6.0, [6.0, 0.0]) == pytest.approx([1.0, 5.0])


def test_a_channel_of_nearly_nothing_is_scaled_by_ten_thousand_at_most() -> None:
    pair = _pair(np.array([[1.0, 1e-12]], np.float32), np.array([[1e-3], [1.0]], np.float32))
    assert _balance(pair, None) == pytest.approx(9999)
