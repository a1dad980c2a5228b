"""Models whose large dense layers do not pass through the converter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.tflite import converter, dense, quantizer
from zoo.export.tflite.converter import convert_in_memory
from zoo.export.tflite.settings import Settings
from zoo.runner.loading.session import load
from zoo.tflite import modelfile
from zoo.tflite.writing.constants import with_constants

SAMPLES = np.random.default_rng(1).uniform(-1, 1, (20, 8, 8, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes dense layers of a tiny model large ones."""
    monkeypatch.setattr(dense, "LEAST_BYTES", 1000)


def build(middle: Callable[[Any], Any] = lambda x: x) -> Any:
    """Returns a model of a convolution and three dense layers, of which the last is small, with biases other than 0."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(1, 8, 8, 3), name="input")
    x = keras.layers.Flatten()(keras.layers.Conv2D(8, 3, activation="relu")(inputs))
    x = middle(keras.layers.Dense(32, activation="relu", name="wide", bias_initializer="normal")(x))
    x = keras.layers.Dense(16, use_bias=False, name="narrow")(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax", bias_initializer="normal")(x))


@pytest.fixture(scope="module")
def model() -> Any:
    return build()


def outputs(flatbuffer: bytes, path: Path) -> list[Any]:
    path.write_bytes(flatbuffer)
    session = load(path, trusted=True)
    return [session.run(session.input.store(one[None], pixels=False))[0] for one in SAMPLES]


def weights(file: modelfile.ModelFile, flatbuffer: bytes) -> dict[tuple[int, ...], bytes]:
    """Returns the constants of FULLY_CONNECTED by their shapes."""
    tensors = [file.main.tensors[op.inputs[1]] for op in file.main.ops if op.name == "FULLY_CONNECTED"]
    return {one.shape: flatbuffer[one.start : one.start + one.bytes] for one in tensors}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [Settings(), Settings("int8", "int8"), Settings("int8", "uint8"), Settings("int8", "float32")], ids=str
)
def test_the_file_is_the_one_that_the_converter_makes_of_the_whole_model(
    settings: Settings, model: Any, tmp_path: Path
) -> None:
    layers = dense.large(model, settings)
    assert [layer.name for layer in layers] == ["wide", "narrow"]
    found = dense.convert(model, layers, settings, SAMPLES)
    assert found is not None
    whole = convert_in_memory(model, settings, SAMPLES)
    ours, theirs = (modelfile.parse(one, Path("a file")) for one in (found, whole))
    assert [op.name for op in ours.main.ops] == [op.name for op in theirs.main.ops]
    assert len(ours.main.tensors) == len(theirs.main.tensors)
    assert (ours.main.inputs, ours.main.outputs) == (theirs.main.inputs, theirs.main.outputs)
    assert weights(ours, found) == weights(theirs, whole)
    assert all(tensor.start % 16 == 0 for tensor in ours.main.tensors if tensor.bytes >= 1000)
    np.testing.assert_array_equal(outputs(found, tmp_path / "ours.tflite"), outputs(whole, tmp_path / "whole.tflite"))


@pytest.mark.parametrize(
    "settings",
    [
        Settings("float16"),
        Settings("dynamic"),
        Settings("int16x8"),
        Settings("int8", dense_per_channel=True),
        Settings("int8", learnt=True),
        Settings("int8", keep_float=("wide",)),
        Settings("int8", calibration_method="mse"),
    ],
    ids=str,
)
def test_what_needs_to_see_the_kernels_gets_them(settings: Settings, model: Any) -> None:
    assert dense.large(model, settings) == []


def test_kernels_into_which_the_converter_would_compute_are_left_to_it() -> None:
    import keras

    model = build(keras.layers.BatchNormalization())
    assert dense.convert(model, dense.large(model, Settings()), Settings()) is None


def test_a_large_model_goes_over_the_disk_only_where_its_rest_is_large(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "convert_on_disk", lambda *_: b"disk")
    rest = 4 * (
        model.count_params() - sum(layer.kernel.shape[0] * layer.kernel.shape[1] for layer in model.layers[3:5])
    )
    monkeypatch.setattr(converter, "LARGE_BYTES", rest)
    assert converter.convert(model, Settings()) != b"disk"
    assert converter.convert(model, Settings("float16")) == b"disk"
    monkeypatch.setattr(converter, "LARGE_BYTES", rest - 1)
    assert converter.convert(model, Settings()) == b"disk"


def test_an_export_is_checked_and_described_as_any_other(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "LARGE_BYTES", 5000)
    monkeypatch.setattr(converter, "convert_on_disk", None)
    pixels = np.random.default_rng(2).integers(0, 256, (40, 8, 8, 3)).astype(np.float32)
    report = to_tflite(
        model, tmp_path / "m.tflite", quantize="int8", calibration=pixels, labels=list("abcdefghij"), min_agreement=0.5
    )
    assert report.verification is not None
    assert report.verification.agreement.share >= 0.5
    assert modelfile.read(report.path).main.inputs == (0,)


def test_stored_weights_are_rounded_away_from_zero_and_stay_symmetric() -> None:
    values = np.array([0.25, -0.25, 0.74, -0.75, 63.5, -64.0], np.float32)
    assert dense.stored(values, 0.5).tolist() == [1, -1, 1, -2, 127, -127]


def test_the_ranges_of_weights_give_the_scale_of_constants(model: Any) -> None:
    flatbuffer = dense._without_kernels(model, dense.large(model, Settings()))
    found = quantizer.weight_ranges(flatbuffer, [np.array([-2.54, 1.0]), np.zeros(3)])
    scales = [one.width / 255 for one in found.values()]
    assert scales[0] == pytest.approx(0.02)
    assert scales[1] > 0


def test_inputs_that_do_not_fit_the_constants_are_refused(model: Any) -> None:
    with pytest.raises(ExportError, match="does not have one graph with 2 inputs"):
        with_constants(convert_in_memory(model, Settings()), [lambda _: []])
