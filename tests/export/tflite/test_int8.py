"""Integer files of a trained model take raw pixels and give the same classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.conftest import some_inputs
from zoo.errors import ExportError, InputError, VerificationError
from zoo.export import to_tflite
from zoo.export.checking.calibration import as_lowered
from zoo.export.checking.verify import run_all
from zoo.runner import Classifier
from zoo.runner.loading.session import load
from zoo.tflite import modelfile
from zoo.tflite.card import describe

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
def test_trained_model_keeps_its_answers(
    io: Any, trained_lenet: Any, digits: Any, digits_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "digits.tflite"
    report = to_tflite(trained_lenet, path, quantize="int8", io=io, calibration=digits_folder)
    assert report.verification is not None
    assert report.verification.source == digits_folder.name
    assert report.verification.agreement.share >= 0.95
    session = load(path)
    assert session.input.dtype == np.dtype(io)
    pictures, labels = digits
    keras_right = (np.asarray(trained_lenet(pictures[1500:])).argmax(1) == labels[1500:]).mean()
    file_right = (run_all(session, pictures[1500:], pixels=True)[0].argmax(1) == labels[1500:]).mean()
    assert file_right >= keras_right - 0.02
    picture = digits_folder / "7" / "0.png"
    float_path = tmp_path / "float.tflite"
    to_tflite(trained_lenet, float_path)
    assert Classifier(path).classify(picture)[0].index == Classifier(float_path).classify(picture)[0].index


@pytest.mark.parametrize("io", ["uint8", "int8"])
def test_scaling_costs_nothing(io: Any, trained_lenet: Any, digits_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "digits.tflite"
    to_tflite(trained_lenet, path, quantize="int8", io=io, calibration=digits_folder)
    graph = modelfile.read(path).main
    entry = graph.tensors[graph.inputs[0]]
    assert entry.scales == pytest.approx([2 / 255])
    assert list(entry.zero_points) == [127 if io == "uint8" else -1]
    before = []
    for op in graph.ops:
        if op.name == "CONV_2D":
            break
        before.append(op.name)
    assert set(before) <= {"QUANTIZE"}  # one operation converts uint8 to int8; int8 files have none
    assert len(before) == (1 if io == "uint8" else 0)


def test_per_channel_means_stay_in_the_graph(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling([1.0, 1.0, 1.0], offset=[-123.68, -116.78, -103.94])(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8")
    graph = modelfile.read(report.path).main
    entry = graph.tensors[graph.inputs[0]]
    assert entry.scales == pytest.approx([1])
    assert list(entry.zero_points) == [0]
    # As the first of two convolutions.
    assert [op.name for op in graph.ops].count("CONV_2D") == 2
    assert report.verification is not None
    assert report.verification.max_diff < 0.1


def test_int16x8_takes_float_pixels(trained_lenet: Any, digits_folder: Path, tmp_path: Path) -> None:
    report = to_tflite(trained_lenet, tmp_path / "m.tflite", quantize="int16x8", calibration=digits_folder)
    assert report.verification is not None
    assert report.verification.max_diff < 0.1
    assert load(report.path).input.dtype == np.float32


def test_the_card_holds_the_manifest(trained_lenet: Any, digits_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    to_tflite(trained_lenet, path, quantize="int8", calibration=digits_folder, calibration_samples=20, seed=5)
    calibration = describe(path).card["calibration"]
    assert (calibration["count"], calibration["seed"]) == (20, 5)
    assert set(calibration["digest"]) == {"salt", "value"}
    assert calibration["range"] == [0.0, 255.0]


def test_a_trained_model_needs_pictures(trained_lenet: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="give some tens of training pictures"):
        to_tflite(trained_lenet, tmp_path / "m.tflite", quantize="int8")
    assert not list(tmp_path.iterdir())


def test_random_weights_fall_back_and_say_so(tmp_path: Path) -> None:
    report = to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="int8")
    assert any("calibrated on synthetic inputs" in note for note in report.notes)
    assert report.card["calibration"]["source"] == "synthetic inputs"


def test_wrong_calibration_leaves_nothing(trained_lenet: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        to_tflite(trained_lenet, tmp_path / "m.tflite", quantize="int8", calibration=np.zeros((20, 5, 5, 1)))
    assert not list(tmp_path.iterdir())


def test_a_float_op_left_is_an_error(tmp_path: Path) -> None:
    """Local response normalization has no integer kernel, so the converter leaves it in float."""
    import tensorflow as tf

    @keras.saving.register_keras_serializable("tests")
    class Lrn(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return tf.nn.local_response_normalization(x)

    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(Lrn()(x))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    with pytest.raises(ExportError, match="LOCAL_RESPONSE_NORMALIZATION"):
        to_tflite(model, tmp_path / "m.tflite", quantize="int8")
    assert not list(tmp_path.iterdir())


def test_disagreement_leaves_nothing(
    trained_lenet: Any, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.tflite").write_text("the old file")

    def blank(inputs: Any, scaling: Any) -> Any:
        """Returns black pictures, which do not show the ranges that digits need."""
        return as_lowered(np.zeros_like(inputs), scaling)

    monkeypatch.setattr("zoo.export.tflite.exporter.as_lowered", blank)
    with pytest.raises(VerificationError, match=r"names the same class as Keras on \d+%"):
        to_tflite(trained_lenet, tmp_path / "m.tflite", quantize="int8", calibration=digits_folder)
    assert (tmp_path / "m.tflite").read_text() == "the old file"
    assert len(list(tmp_path.iterdir())) == 1


def test_verification_can_be_declined(tmp_path: Path) -> None:
    report = to_tflite(zoo.build("mlp"), tmp_path / "m.tflite", verify_file=False)
    assert report.verification is None
    assert describe(report.path).card["verification"] == "declined"


def test_batch_and_logits(trained_lenet: Any, digits: Any, tmp_path: Path) -> None:
    report = to_tflite(trained_lenet, tmp_path / "m.tflite", batch=4, logits=True)
    session = load(report.path)
    assert session.input.shape == (4, 28, 28, 1)
    assert "SOFTMAX" not in {op.name for op in modelfile.read(report.path).main.ops}
    (scores,) = run_all(session, digits[0][:6], pixels=True)  # the last batch is not full
    np.testing.assert_allclose(keras.ops.softmax(scores), trained_lenet(digits[0][:6]), atol=1e-4)


def test_input_range_puts_the_scaling_into_the_file(tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    bare = to_tflite(model, tmp_path / "bare.tflite")
    assert any("pixels 0..255 as they are" in note for note in bare.notes)
    scaled = to_tflite(model, tmp_path / "scaled.tflite", input_range=(-1, 1), quantize="int8")
    entry = modelfile.read(scaled.path).main
    assert entry.tensors[entry.inputs[0]].scales == pytest.approx([2 / 255])
    assert not any("as they are" in note for note in scaled.notes)


@pytest.mark.parametrize("words", ["caffe", "torch"])
def test_pixels_are_prepared_in_the_file(words: str, tmp_path: Path) -> None:
    from keras.applications import imagenet_utils

    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))
    pictures = some_inputs((16, 16, 3), 40)
    expected = np.asarray(model(imagenet_utils.preprocess_input(pictures.copy(), mode=words)))
    for quantize, error in (("none", 1e-5), ("int8", 0.03)):
        path = tmp_path / f"{quantize}.tflite"
        report = to_tflite(model, path, pixels=words, quantize=quantize, calibration=pictures)
        assert not any("as they are" in note for note in report.notes)
        (found,) = run_all(load(path), pictures, pixels=True)
        assert np.abs(found - expected).max() <= error * np.ptp(expected)
        # One fixed convolution prepares the pixels.
        ops = [op.name for op in modelfile.read(path).main.ops if op.name != "QUANTIZE"]
        assert ops == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_conv1d_takes_windows(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(size=(40, 128, 6)).astype(np.float32)
    report = to_tflite(zoo.build("conv1d", seed=0), tmp_path / "m.tflite", quantize="int8", calibration=windows)
    assert report.verification is not None
    assert report.verification.max_diff < 0.05
    assert "preprocessing" in report.card
    assert report.card["input"]["values"] == "as in training"


def test_labels_come_from_the_class_folders(trained_lenet: Any, digits_folder: Path, tmp_path: Path) -> None:
    report = to_tflite(trained_lenet, tmp_path / "m.tflite", quantize="int8", calibration=digits_folder)
    assert describe(report.path).labels == tuple("0123456789")
    assert any("alphabetical order" in note for note in report.notes)
    own = [f"digit {i}" for i in range(10)]
    to_tflite(trained_lenet, tmp_path / "own.tflite", calibration=digits_folder, labels=own)
    assert describe(tmp_path / "own.tflite").labels == tuple(own)
    other = zoo.build("lenet", num_classes=3)  # ten folders cannot name three classes
    report = to_tflite(other, tmp_path / "o.tflite", calibration=digits_folder)
    assert describe(report.path).labels == ("class_0", "class_1", "class_2")
