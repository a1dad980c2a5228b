"""What Teachable Machine hands out is taken as it is: its range of pixels and the names of its classes are known."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from tests import teachable
from tests.detectors import two_outputs
from zoo.export import to_tflite
from zoo.export.checking.diagnosis import diagnose_model
from zoo.export.lower.teachable import is_its_model, labels_of
from zoo.runner import Classifier, Predictor
from zoo.tflite.teachable import has_its_names
from zoo.weights import build_from, load_model

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of one model."""
    return teachable.write(tmp_path_factory.mktemp("teachable"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keras_model.h5", "model.savedmodel"])
def test_keras_models_are_exported_with_their_labels_and_answers(
    name: str, folder: Path, cli: Cli, tmp_path: Path
) -> None:
    done = cli("export", folder / name, "--out", tmp_path)
    assert done.code == 0, done.err
    assert "was made by Teachable Machine: pixels are scaled to -1..1" in done.out
    assert f"its classes are named by {folder / 'labels.txt'}" in done.out
    (file,) = tmp_path.glob("*.tflite")
    classifier = Classifier(file)
    assert classifier.labels == teachable.CLASSES
    pixels, answers = teachable.examples()
    scores = np.stack([classifier.outputs(picture)[0][0] for picture in pixels])
    np.testing.assert_allclose(scores, answers, atol=1e-4)


def test_what_the_user_says_wins(folder: Path, cli: Cli, tmp_path: Path) -> None:
    labels = tmp_path / "own.txt"
    labels.write_text("a\nb\nc\n")
    done = cli("export", folder / "keras_model.h5", "--input-range", "0,1", "--labels", labels, "--out", tmp_path)
    assert done.code == 0, done.err
    assert "Teachable Machine" not in done.out
    classifier = Classifier(tmp_path / "keras_model.tflite")
    assert classifier.labels == ("a", "b", "c")
    pixels, answers = teachable.examples()
    assert np.abs(classifier.outputs(pixels[0])[0][0] - answers[0]).max() > 1e-3


def test_a_model_that_was_trained_further_and_scales_its_pixels_itself_is_left_alone(
    folder: Path, tmp_path: Path
) -> None:
    inner = load_model(folder / "keras_model.h5")
    entry = keras.Input(inner.inputs[0].shape[1:])
    model = keras.Model(entry, inner(keras.layers.Rescaling(1 / 127.5, offset=-1)(entry)))
    report = to_tflite(model, tmp_path / "own.tflite", labels=teachable.CLASSES)
    assert not [note for note in report.notes if "Teachable Machine" in note]
    pixels, answers = teachable.examples()
    np.testing.assert_allclose(Classifier(report.path).outputs(pixels[0])[0][0], answers[0], atol=1e-4)


def test_other_models_are_not_taken_for_its(folder: Path) -> None:
    assert is_its_model(load_model(folder / "keras_model.h5"))
    assert not is_its_model(load_model(teachable.STORED / "teachable.h5"))
    assert not has_its_names(["dense_Dense1", "conv2d_Conv2D1"])  # any net of TensorFlow.js that has no such pooling
    assert not has_its_names(["my_dense_Dense1", "global_average_pooling2d_GlobalAveragePooling2D1"])


@pytest.mark.slow
def test_a_diagnosis_gives_it_pixels_in_its_range() -> None:
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(4, 1, kernel_initializer="ones", name="first"),
            keras.layers.GlobalAveragePooling2D(name="global_average_pooling2d_GlobalAveragePooling2D1"),
            keras.layers.Dense(3, "softmax", name="dense_Dense1"),
        ]
    )
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3)).astype(np.uint8)
    found, notes = diagnose_model(model, pixels, count=8)
    assert [note for note in notes if "Teachable Machine" in note]
    (first,) = [row.activation for row in found.rows if row.layer == "first"]
    assert first is not None
    assert max(abs(first.seen.low), first.seen.high) < 4  # the sum of three channels; pixels as they are give hundreds


@pytest.mark.parametrize("name", ["model_unquant.tflite", "model.tflite"])
def test_tflite_files_run_with_their_range_and_labels(name: str, folder: Path) -> None:
    classifier = Classifier(folder / name)
    assert classifier.labels == teachable.CLASSES
    assert f"its classes are named by {folder / 'labels.txt'}" in " ".join(classifier.notes)
    assert ("pixels are scaled to -1..1" in " ".join(classifier.notes)) is (name == "model_unquant.tflite")
    assert not classifier.entry.unsure
    pixels, answers = teachable.examples()
    scores = np.stack([classifier.outputs(np.rint(picture).astype(np.uint8))[0][0] for picture in pixels])
    np.testing.assert_allclose(scores, answers, atol=2e-2)
    assert Classifier(folder / name, labels=["a", "b", "c"]).labels == ("a", "b", "c")


def test_a_float_file_is_known_under_another_name_too(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "model_unquant.tflite", tmp_path / "cats.tflite")
    classifier = Classifier(tmp_path / "cats.tflite")
    assert classifier.normalization is not None
    assert classifier.labels == ("class_0", "class_1", "class_2")  # no labels lie beside it


def test_labels_beside_that_do_not_fit_are_not_used(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "model.tflite", tmp_path / "model.tflite")
    (tmp_path / "labels.txt").write_text("0 a\n1 b\n")
    classifier = Classifier(tmp_path / "model.tflite")
    assert classifier.labels == ("class_0", "class_1", "class_2")
    assert "its labels are not used, because it has 3 classes but there are 2 labels" in " ".join(classifier.notes)
    assert "are named by" not in " ".join(classifier.notes)
    shutil.copy(folder / "keras_model.h5", tmp_path)
    names, said = labels_of(load_model(tmp_path / "keras_model.h5"), tmp_path / "keras_model.h5")
    assert names is None
    assert "are not used, because it has 3 classes but there are 2 labels" in said


def test_labels_beside_the_file_of_another_program_are_not_taken(tmp_path: Path) -> None:
    two_outputs(tmp_path / "objects.tflite")
    (tmp_path / "labels.txt").write_text("a\nb\n")
    assert set(Predictor(tmp_path / "objects.tflite").labels).isdisjoint({"a", "b"})


def test_inspect_tells_the_range(folder: Path, cli: Cli) -> None:
    done = cli("inspect", folder / "model_unquant.tflite")
    assert "pixels scaled by (pixel - 127.5) / 127.5" in done.out
    assert "was made by Teachable Machine" in done.out


@pytest.mark.slow
def test_its_backbone_begins_a_training_here(tmp_path: Path) -> None:
    backbone = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    pooling = keras.layers.GlobalAveragePooling2D(name="global_average_pooling2d_GlobalAveragePooling2D1")
    head = keras.Sequential(
        [
            keras.Input((1280,)),
            keras.layers.Dense(5, "relu", name="dense_Dense1"),
            keras.layers.Dense(3, "softmax", use_bias=False, name="dense_Dense2"),
        ]
    )
    keras.Sequential([keras.Sequential([backbone, pooling]), head]).save(tmp_path / "keras_model.h5")
    options = {"alpha": 0.35, "input_size": 32, "num_classes": 3}
    built = build_from("mobilenet_v2", str(tmp_path / "keras_model.h5"), options)
    assert built.new_head
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    last = next(layer for layer in built.model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    features = keras.Model(built.model.input, last.output)(pixels, training=False)
    theirs = pooling(backbone(pixels / 127.5 - 1, training=False))
    np.testing.assert_allclose(features, theirs, atol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_benchmark")
def test_zoo_benchmark_and_zoo_info_take_what_they_can(folder: Path, cli: Cli) -> None:
    for name in ("model_unquant.tflite", "model.tflite"):
        timed = cli("benchmark", folder / name, "--runs", "2")
        assert timed.code == 0, timed.err
        assert "JPEGs a second" in timed.out
        assert f"zoo inspect {folder / name} shows it" in cli("info", folder / name).error
    shown = cli("info", folder / "keras_model.h5")
    assert shown.code == 0, shown.err
    assert "dense_Dense2" in shown.out
    assert "zoo export" in cli("benchmark", folder / "keras_model.h5").error
