"""The graph that computes as the int8 file of a model does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.branches import ranges_of
from zoo.compress.fake import is_rounded
from zoo.compress.graph import calibrate, quantize_aware
from zoo.errors import CompressionError, OptionError, WeightsError
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.branches import Aware
    from tests.conftest import Array


def run(model: Any, inputs: Array) -> Array:
    return np.asarray(model(inputs, training=False))


def test_activations_are_rounded_where_a_file_rounds_them(aware_branches: Aware) -> None:
    found = [layer.name.removesuffix("_range") for layer in ranges_of(aware_branches.aware)]
    # Behind the ReLU that belongs to an operation, behind a concatenation for what is joined, not behind pooling,
    # padding, repeating or dropping, and before a softmax alone.
    assert sorted(found) == sorted([
        "input", "center", "first_relu", "depthwise_relu", "grouped", "sum_relu", "small", "pyramid", "joined", "mean",
        "hidden", "classes",
    ])  # fmt: skip


def test_the_answers_are_nearly_those_of_the_model(aware_branches: Aware) -> None:
    wanted, found = (run(model, aware_branches.inputs) for model in (aware_branches.model, aware_branches.aware))
    assert 0 < np.abs(found - wanted).max() < 0.05


def test_pixels_are_rounded_to_themselves(aware_branches: Aware) -> None:
    import keras

    aware = aware_branches.aware
    entry = keras.Model(aware.input, aware.get_layer("input_range").output)
    pixels = np.arange(256, dtype=np.float32).repeat(3).reshape(1, 16, 16, 3)
    np.testing.assert_allclose(run(entry, pixels), (pixels - 127) / 127.5, atol=1e-6)


def test_ranges_are_those_of_the_inputs(aware_lenet: Aware) -> None:
    import keras

    model = keras.Model(aware_lenet.model.input, aware_lenet.model.get_layer("fc3").output)
    wanted = run(model, aware_lenet.inputs)
    layer = aware_lenet.aware.get_layer("fc3_range")
    # The pictures are shifted by half a pixel, and the kernels rounded.
    assert float(layer.high) == pytest.approx(wanted.max(), rel=0.03)
    assert float(layer.low) == 0


@pytest.mark.slow
def test_a_percentile_leaves_outliers_out(aware_lenet: Aware) -> None:
    made = quantize_aware(aware_lenet.model)
    calibrate(made, aware_lenet.inputs, "percentile")
    found, wanted = (
        sum(float(layer.high) - float(layer.low) for layer in ranges_of(one)) for one in (made, aware_lenet.aware)
    )
    assert found < wanted


def test_the_first_and_the_last_layer_and_depthwise_ones_keep_8_bits(aware_branches: Aware) -> None:
    made = quantize_aware(aware_branches.model, weight_bits=4)
    bits = {layer.name: layer.bits for layer in made.layers if is_rounded(layer)}
    assert {name for name, count in bits.items() if count == 8} == {"first", "depthwise", "classes"}
    assert set(bits.values()) == {4, 8}


def test_dense_layers_have_one_scale_and_convolutions_have_it_when_asked_for(aware_lenet: Aware) -> None:
    for asked in (False, True):
        made = quantize_aware(aware_lenet.model, per_tensor=asked)
        scales = {layer.name: np.asarray(layer.grid()[1]).size for layer in made.layers if is_rounded(layer)}
        assert scales["conv2"] == (1 if asked else 16)
        assert scales["fc3"] == 1


def test_a_layer_that_stays_float_is_rounded_nowhere(aware_branches: Aware) -> None:
    made = quantize_aware(aware_branches.model, keep_float=["depthwise", "small"])
    names = {layer.name for layer in ranges_of(made)}
    assert not names & {"depthwise_range", "depthwise_relu_range", "small_range"}
    assert not [name for name in ("depthwise", "small") if is_rounded(made.get_layer(name))]
    with pytest.raises(OptionError, match="no layer with weights called 'smal'; did you mean 'small'"):
        quantize_aware(aware_branches.model, keep_float=["smal"])


@pytest.mark.slow
def test_a_file_of_such_a_model_loads_again(aware_branches: Aware, tmp_path: Path) -> None:
    aware_branches.aware.save(tmp_path / "aware.keras")
    loaded = load_model(tmp_path / "aware.keras")
    wanted = run(aware_branches.aware, aware_branches.inputs)
    np.testing.assert_array_equal(run(loaded, aware_branches.inputs), wanted)
    assert [layer.get_config() for layer in ranges_of(loaded)] == [
        layer.get_config() for layer in ranges_of(aware_branches.aware)
    ]


def test_it_does_not_fit_the_model_of_the_zoo_by_name(aware_lenet: Aware, tmp_path: Path) -> None:
    aware_lenet.aware.save(tmp_path / "aware.keras")
    with pytest.raises(WeightsError, match="was trained for int8, .* and does not fit lenet"):
        zoo.build("lenet", weights=tmp_path / "aware.keras")


def strange(kind: str) -> Any:
    import keras
    from keras import layers

    entry = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(entry)
    if kind == "swish":
        x = layers.Activation("hard_silu", name="culprit")(x)
    elif kind == "attention":
        x = layers.Reshape((64, 4))(x)
        x = layers.MultiHeadAttention(1, 4, name="culprit")(x, x)
    elif kind == "recurrent":
        x = layers.LSTM(3, name="culprit")(layers.Reshape((64, 4))(x))
    elif kind == "norm":
        x = layers.BatchNormalization(name="culprit")(layers.MaxPooling2D()(x))
    elif kind == "twice":
        shared = layers.Conv2D(4, 3, padding="same", name="culprit")
        x = shared(shared(x))
    elif kind == "leaky":
        x = layers.ReLU(negative_slope=0.1, name="culprit")(x)
    elif kind == "own":

        class Doubled(layers.Layer):  # type: ignore[misc]  # Keras has no types
            def call(self, inputs: Any) -> Any:
                return 2 * inputs

        x = Doubled(name="culprit")(x)
    return keras.Model(entry, layers.Dense(2)(layers.Flatten()(x)), name="strange")


@pytest.mark.parametrize("kind", ["swish", "attention", "recurrent", "norm", "twice", "leaky", "own"])
def test_what_is_not_simulated_is_refused_by_the_layers_name(kind: str) -> None:
    with pytest.raises(CompressionError, match=r"strange cannot be trained for int8: layer 'culprit' \(\w+\) \w+"):
        quantize_aware(strange(kind))


def test_groups_have_no_common_scale(aware_branches: Aware) -> None:
    with pytest.raises(CompressionError, match="layer 'grouped' .* has 2 groups"):
        quantize_aware(aware_branches.model, per_tensor=True)


def test_a_model_is_made_ready_once(aware_lenet: Aware) -> None:
    with pytest.raises(CompressionError, match="is being trained for int8 already"):
        quantize_aware(aware_lenet.aware)


@pytest.mark.parametrize("bits", [1, 9, True, 4.5])
def test_other_numbers_of_bits_are_refused(aware_lenet: Aware, bits: Any) -> None:
    with pytest.raises(OptionError, match="is not allowed; give 2 to 8"):
        quantize_aware(aware_lenet.model, weight_bits=bits)
