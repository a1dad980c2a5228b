"""The layers that compute as an int8 file does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.compress.fake import ActivationRange, QuantizedConv2D, QuantizedDense, QuantizedDepthwiseConv2D, on_grid


@pytest.mark.parametrize(
    ("bits", "numbers"), [(4, [0, 18, 36, 54, 73, 91, 109, 127]), (3, [0, 42, 85, 127]), (2, [0, 127])]
)
def test_fewer_bits_leave_evenly_spaced_whole_numbers(bits: int, numbers: list[int]) -> None:
    kernel = np.linspace(-2, 2, 1001, dtype=np.float32)
    found, scale = on_grid(kernel, (0,), bits)
    assert sorted(set(np.abs(np.asarray(found)).tolist())) == numbers
    assert np.asarray(scale) == pytest.approx(2 / 127)
    # No value is farther away than half a step, and half a number for its rounding to a whole one.
    step = 127 / (2 ** (bits - 1) - 1)
    assert np.abs(np.asarray(found) - kernel / np.asarray(scale)).max() <= step / 2 + 0.51


def test_channels_have_scales_of_their_own_or_share_one() -> None:
    kernel = np.array([[1.0, 100.0], [0.5, -50.0]], np.float32)
    for per_tensor, expected in ((False, [[127, 127], [64, -64]]), (True, [[1, 127], [1, -64]])):
        layer = QuantizedDense(2, per_tensor=per_tensor)
        layer.build((None, 2))
        layer.set_weights([kernel, np.zeros(2, np.float32)])
        np.testing.assert_array_equal(np.asarray(layer.grid()[0]), expected)


def test_a_channel_of_zeros_stays_zero() -> None:
    found, scale = on_grid(np.zeros((3, 2), np.float32), (0,), 8)
    assert not np.asarray(found).any()
    assert np.isfinite(np.asarray(scale)).all()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (QuantizedConv2D(4, 3, bits=4), (2, 8, 8, 3)),
        (QuantizedDepthwiseConv2D(3, depth_multiplier=2, activation="relu"), (2, 8, 8, 3)),
        (QuantizedDense(5, use_bias=False), (2, 6)),
    ],
)
def test_a_layer_computes_with_its_rounded_kernel_and_the_gradient_passes(layer: Any, shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    inputs = tf.constant(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    layer.build(shape)
    plain: Any = next(kind for kind in type(layer).__mro__ if kind.__module__.startswith("keras."))
    config = {key: value for key, value in layer.get_config().items() if key not in {"bits", "per_tensor"}}
    twin = plain.from_config(config)
    twin.build(shape)
    numbers, scale = layer.grid()
    twin.set_weights([np.asarray(numbers * scale), *layer.get_weights()[1:]])
    with tf.GradientTape(persistent=True) as tape:
        found, wanted = layer(inputs), twin(inputs)
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-5, atol=1e-5)
    own, theirs = (tape.gradient(y, one.trainable_variables) for y, one in ((found, layer), (wanted, twin)))
    for one, other in zip(own, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-4, atol=1e-4)


def test_a_range_holds_zero_at_a_whole_number() -> None:
    layer = ActivationRange(0.5, 3.0)
    layer.build((None, 4))
    scale, zero_point = map(float, layer.quantization())
    assert scale == pytest.approx(3 / 255)
    assert zero_point == 0
    layer.set_range(-1.0, 1.0)
    scale, zero_point = map(float, layer.quantization())
    assert zero_point in {127, 128}
    found = np.asarray(layer(np.array([[-9.0, 0.0, 0.31, 9.0]], np.float32)))[0]
    assert found[1] == 0
    np.testing.assert_allclose(
        found / scale + zero_point, [0, zero_point, round(0.31 / scale) + zero_point, 255], atol=1e-3
    )


def test_a_limit_cuts_a_range() -> None:
    layer = ActivationRange(-90.0, 4.0, limit=15)
    layer.build((None, 4))
    scale, zero_point = map(float, layer.quantization())
    assert -zero_point * scale == pytest.approx(-15, abs=scale)
    assert (255 - zero_point) * scale == pytest.approx(4, abs=scale)


def test_a_range_follows_the_batches_of_a_training_until_it_is_frozen() -> None:
    layer = ActivationRange(0.0, 1.0, momentum=0.5)
    inputs = np.array([[-2.0, 4.0]], np.float32)
    layer(inputs)
    assert (float(layer.low), float(layer.high)) == (0, 1)
    layer(inputs, training=True)
    assert (float(layer.low), float(layer.high)) == (-1, 2.5)
    layer.trainable = False
    layer(inputs, training=True)
    assert (float(layer.low), float(layer.high)) == (-1, 2.5)
    fixed = ActivationRange(0.0, 1.0, fixed=True)
    fixed(inputs, training=True)
    assert (float(fixed.low), float(fixed.high)) == (0, 1)


@pytest.mark.parametrize("bits", [1, 9])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits} is not allowed"):
        QuantizedConv2D(4, 3, bits=bits)


def test_a_range_whose_ends_are_swapped_is_refused() -> None:
    with pytest.raises(ValueError, match="the lower end first"):
        ActivationRange(1.0, 0.0)
