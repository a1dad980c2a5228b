"""Cross-layer equalization: the answers stay the same, and one scale a layer is enough then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from tests.compress.nets import depthwise_net, pictures
from zoo.compress import equalize as equalizing
from zoo.compress.diagnosis.diagnose import diagnose
from zoo.compress.equalize import Pair, _balance, _require_same, equalize, pairs_of, unevenness
from zoo.compress.folding import fold_batch_norms
from zoo.errors import CompressionError

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
def test_it_rescues_a_net_that_one_scale_a_layer_loses() -> None:
    # Without a cap every channel is scaled freely, which is easier.
    model = depthwise_net(cap=6.0, uneven=300)
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
        largest[below] <= np.maximum(0.8 * 6, np.asarray(before(pictures())).max(axis=(0, 1, 2))[below]) * 1.001
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


def _net(*between: Any, first: Any = None, second: Any = None) -> Any:
    """A net of two convolutions with some layers between them."""
    layers = keras.layers
    entry = keras.Input((8, 8, 3))
    x = (first or layers.Conv2D(4, 3, name="first"))(entry)
    for layer in between:
        x = layer(x)
    return keras.Model(entry, (second or layers.Conv2D(2, 3, name="second"))(x))


def _caps(model: Any) -> list[float | None]:
    return [pair.cap for pair in pairs_of(model)]


def test_two_layers_are_a_pair_where_what_is_between_them_can_be_scaled_along() -> None:
    layers = keras.layers
    assert _caps(_net()) == _caps(_net(layers.ReLU())) == _caps(_net(layers.MaxPooling2D())) == [None]
    assert _caps(_net(layers.ReLU(3.0))) == _caps(_net(layers.ReLU(), layers.ReLU(3.0))) == [3.0]
    assert _caps(_net(layers.Activation("relu6"))) == [6.0]
    assert _caps(_net(first=layers.Conv2D(4, 3, activation="relu6"))) == [6.0]
    for bent in (
        [layers.ReLU(negative_slope=0.1)], [layers.ReLU(threshold=1.0)], [layers.Activation("gelu")],
        [layers.ReLU(6.0), layers.ReLU(6.0)], [layers.LayerNormalization()],
    ):  # fmt: skip
        assert _caps(_net(*bent)) == []
    assert _caps(_net(first=layers.Conv2D(4, 3, activation="gelu"))) == []


def test_a_layer_whose_channels_are_mixed_otherwise_is_in_no_pair() -> None:
    layers = keras.layers
    for first in (layers.Conv2D(6, 3, groups=3), layers.Conv2D(4, 3, use_bias=False)):
        assert _caps(_net(first=first)) == []
    assert _caps(_net(second=layers.Conv2D(4, 3, groups=2))) == []
    assert _caps(_net(second=layers.Conv2D(2, 3, use_bias=False))) == [None]
    assert _caps(_net(second=layers.DepthwiseConv2D(3, depth_multiplier=2))) == []
    assert _caps(_net(second=layers.DepthwiseConv2D(3))) == [None]
    # A layer that is called twice has one kernel for two neighbours.
    entry, shared = keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")
    assert _caps(keras.Model(entry, shared(shared(entry)))) == []


def _dense_of(sizes: list[float]) -> Any:
    layer = keras.layers.Dense(len(sizes))
    layer.build((None, 1))
    layer.kernel.assign(np.array([sizes], np.float32))
    return layer


def test_unevenness_is_that_of_the_largest_channel_beside_a_small_one_that_is_alive() -> None:
    sizes = [float(n) for n in range(1, 12)]
    # The tenth percentile of 1 to 11 is 2; what has less than a ten-thousandth of the largest is dead.
    assert unevenness(_dense_of(sizes)) == pytest.approx(5.5)
    assert unevenness(_dense_of([*sizes, 1e-3, 0.0])) == pytest.approx(5.5)
    assert unevenness(_dense_of([*sizes, 2e-3])) > 5.5
    assert unevenness(_dense_of([0.0, 0.0])) == 1.0


class _Answers:
    """What stands for a model that answers anything with these numbers."""

    name = "net"

    def __init__(self, *numbers: float) -> None:
        self._numbers = np.array(numbers, np.float32)

    def __call__(self, _: Any, *, training: bool) -> Array:
        assert not training
        return self._numbers


def test_answers_may_differ_by_a_ten_thousandth_of_the_largest_and_of_one_at_least() -> None:
    def compare(ours: _Answers, theirs: _Answers) -> None:
        _require_same(ours, theirs, np.zeros((1, 2)))

    compare(_Answers(0.0, 0.5), _Answers(0.0, 0.50009))
    compare(_Answers(0.0, 100.0), _Answers(0.009, 100.0))
    with pytest.raises(
        CompressionError, match=r"^net answers differently after equalization, by 0\.00011 where its la"
    ):
        compare(_Answers(0.0, 0.5), _Answers(0.00011, 0.5))
    with pytest.raises(CompressionError, match=r"by 0\.011 where its largest answer is 1e\+02; leave out --equalize$"):
        compare(_Answers(0.0, 100.0), _Answers(0.011, 100.0))
    with pytest.raises(CompressionError, match="by nan where its largest answer is 1;"):
        compare(_Answers(0.0, 0.5), _Answers(float("nan"), 0.5))


@pytest.mark.parametrize(("change", "passes"), [(0.0, 1), (0.9e-3, 1), (1.1e-3, 20)])
def test_passes_end_when_no_channel_moves_by_a_thousandth_or_after_twenty(
    change: float, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, compared = [], []

    def balance(pair: Pair, reached: Array | None) -> float:
        calls.append((pair, reached))
        return change

    monkeypatch.setattr(equalizing, "_balance", balance)
    monkeypatch.setattr(equalizing, "_require_same", lambda _, __, inputs: compared.append(len(inputs)))
    equalize(_net(), np.zeros((20, 8, 8, 3), np.float32))
    assert (len(calls), compared) == (passes, [16])
