"""The graph before conversion."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.conftest import Case
from tests.narrow import narrow
from zoo.errors import ExportError
from zoo.export.lower.lowering import check_exportable, lower, with_preparation
from zoo.graph import Scaling, scaling_of
from zoo.pixels import preparation


@pytest.fixture(scope="module")
def grouped() -> Any:
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", groups=2, activation="relu", name="g")(inputs)
    x = keras.layers.Conv2D(6, 3, groups=3, use_bias=False, dilation_rate=1, name="h")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    return model


def _pixels(*shape: int) -> Any:
    return np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)


def test_split_groups_gives_the_same_numbers(grouped: Any) -> None:
    split = lower(grouped, split_groups=True)
    convolutions = [layer for layer in split.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.groups for layer in convolutions] == [1] * 5
    x = _pixels(1, 8, 8, 4) / 255
    np.testing.assert_allclose(split(x), grouped(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_group_for_each_channel_becomes_a_depthwise_convolution(multiplier: int, dimensions: int) -> None:
    """In every mode: a runtime's depthwise kernels are fast, and thousands of plain ones are not converted in hours."""
    kind = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D}[dimensions]
    inputs = keras.Input((*[6] * dimensions, 40))
    grouped = kind(40 * multiplier, 3, padding="same", groups=40, activation="relu", name="g")
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(grouped(inputs))))
    grouped.bias.assign(np.random.default_rng(0).normal(size=40 * multiplier))
    x = np.random.default_rng(1).normal(size=(1, *[6] * dimensions, 40)).astype(np.float32)
    for split in (False, True):
        lowered = lower(model, split_groups=split)
        assert type(lowered.get_layer("g")).__name__ == f"Depthwise{kind.__name__}"
        assert len(lowered.layers) == len(model.layers)
        np.testing.assert_allclose(lowered(x), model(x), rtol=1e-4, atol=1e-5)


def test_many_groups_are_split_only_where_they_have_to_be() -> None:
    inputs = keras.Input((4, 4, 80))
    model = keras.Model(inputs, keras.layers.Conv2D(80, 3, groups=40, name="many")(inputs))
    assert lower(model, split_groups=True).get_layer("many") is model.get_layer("many")
    with pytest.raises(ExportError, match=r"layer 'many' \(Conv2D\) has 40 groups, and an Edge TPU has no grouped"):
        lower(model, split_groups=True, whole_split=True)


def test_split_alexnet_gives_the_same_numbers() -> None:
    with narrow():
        model = zoo.build("alexnet", input_size=63, num_classes=5)
    x = _pixels(1, 63, 63, 3)
    np.testing.assert_allclose(lower(model, split_groups=True)(x), model(x), rtol=1e-4, atol=1e-5)


def test_weights_are_shared_not_copied() -> None:
    model = zoo.build("lenet")
    lowered = lower(model)
    assert lowered.get_layer("conv1") is model.get_layer("conv1")
    assert lowered.inputs[0].shape == (1, 28, 28, 1)
    assert model.inputs[0].shape == (None, 28, 28, 1)


def test_strip_scaling_leaves_the_rest() -> None:
    model = zoo.build("lenet")
    x = _pixels(1, 28, 28, 1)
    stripped = lower(model, strip_scaling=True)
    assert "Rescaling" not in {type(layer).__name__ for layer in stripped.layers}
    np.testing.assert_allclose(stripped(x / 127.5 - 1), model(x), rtol=1e-5, atol=1e-6)


def test_a_second_scaling_stays_where_the_first_is_stripped() -> None:
    entry = keras.Input((4, 4, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(entry)
    x = keras.layers.Rescaling(1.0, offset=[0.1, 0.2, 0.3])(x)
    model = keras.Model(entry, keras.layers.Flatten()(x))
    x = _pixels(1, 4, 4, 3)
    np.testing.assert_allclose(lower(model, strip_scaling=True)(x / 127.5 - 1), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("separate", [True, False])
def test_logits_leave_the_softmax_out(separate: bool) -> None:
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, activation=None if separate else "softmax")(inputs)
    model = keras.Model(inputs, keras.layers.Softmax()(x) if separate else x)
    x = _pixels(1, 4) / 255
    logits = np.asarray(lower(model, logits=True)(x))
    np.testing.assert_allclose(keras.ops.softmax(logits), model(x), rtol=1e-5)
    assert not np.allclose(logits, model(x))


def test_logits_need_a_softmax() -> None:
    inputs = keras.Input((4,))
    with pytest.raises(ExportError, match="does not end in a softmax"):
        lower(keras.Model(inputs, keras.layers.Dense(3)(inputs)), logits=True)


def test_a_nested_backbone_is_lowered_too(grouped: Any) -> None:
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, keras.layers.Softmax()(grouped(inputs)))
    x = _pixels(1, 8, 8, 4) / 255
    lowered = lower(model, split_groups=True)
    np.testing.assert_allclose(lowered(x), model(x), rtol=1e-5, atol=1e-6)
    inner = next(layer for layer in lowered.layers if isinstance(layer, keras.Model))
    assert all(getattr(layer, "groups", 1) == 1 for layer in inner.layers)


def test_sequential_models_are_taken() -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    assert check_exportable(model) == (6, 6, 3)
    x = _pixels(1, 6, 6, 3)
    np.testing.assert_allclose(lower(model, strip_scaling=True)(x / 255), model(x), rtol=1e-5, atol=1e-6)


def test_scaling_of() -> None:
    assert scaling_of(zoo.build("lenet")) == Scaling(1 / 127.5, -1)
    assert scaling_of(zoo.build("conv1d")) is None
    inputs = keras.Input((4, 4, 3))
    means = keras.layers.Rescaling([1.0, 1.0, 1.0], offset=[-103.0, -116.0, -123.0])(inputs)
    assert scaling_of(keras.Model(inputs, means)) is None


@pytest.mark.parametrize("words", ["tf", "caffe", "torch"])
def test_pixels_are_prepared_as_keras_applications_does_it(words: str) -> None:
    from keras.applications import imagenet_utils

    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    prepared = with_preparation(model, preparation(words))
    x = _pixels(2, 4, 4, 3)
    expected = model(imagenet_utils.preprocess_input(x.copy(), mode=words))
    np.testing.assert_allclose(prepared(x), expected, rtol=1e-4, atol=1e-4)


def test_gray_pictures_have_no_order_of_colours() -> None:
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    x = _pixels(2, 4, 4, 1)
    np.testing.assert_allclose(with_preparation(model, preparation("0,1"))(x), model(x / 255), rtol=1e-4, atol=1e-5)
    with pytest.raises(ExportError, match="pixels of 1 channel cannot be prepared like those of 3; leave out --pixels"):
        with_preparation(model, preparation("caffe"))


def test_what_scales_raw_pixels_itself_takes_no_prepared_ones(lenet: Case) -> None:
    for words in ("tf", "0,1", "torch"):
        with pytest.raises(
            ExportError, match=r"lenet scales raw pixels itself, to -1\.\.1 in its first layer, and would"
        ):
            with_preparation(lenet.model, preparation(words))
    assert with_preparation(lenet.model, preparation("0,255")).input_shape == lenet.model.input_shape
    # A layer that takes a range of its own scales that.
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Rescaling(2.0, offset=-1.0)(inputs)))
    model, x = keras.Model(inputs, outputs), _pixels(2, 4, 4, 1)
    np.testing.assert_allclose(with_preparation(model, preparation("0,1"))(x), model(x / 255), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_exported() -> None:
    a, b = keras.Input((4,)), keras.Input((4,))
    with pytest.raises(ExportError, match="2 inputs"):
        check_exportable(keras.Model([a, b], keras.layers.Add()([a, b])))
    open_size = keras.Input((None, None, 3))
    with pytest.raises(ExportError, match="open size"):
        check_exportable(keras.Model(open_size, keras.layers.GlobalAveragePooling2D()(open_size)))
    picture = keras.Input((4, 4, 3))
    with pytest.raises(ExportError, match="no classifier"):
        check_exportable(keras.Model(picture, keras.layers.Conv2D(2, 1)(picture)))
    with pytest.raises(ExportError, match="not a functional"):
        check_exportable("a string")
