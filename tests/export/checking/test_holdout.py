"""A file is checked on examples that it was not calibrated on, and what makes the check weak is said."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.export import to_tflite
from zoo.export.checking import holdout
from zoo.export.checking.calibrated import is_calibrated_on
from zoo.export.checking.calibration import Calibration, from_array, from_folder
from zoo.export.options import ExportOptions
from zoo.progress import SILENT
from zoo.tasks.task import Agreement

SHAPE = (8, 8, 3)


def values(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)[:, np.newaxis] + np.zeros((count, 3), np.float32)


@pytest.mark.parametrize(
    ("count", "samples", "calibrated", "checked"),
    [(20, 200, 12, 8), (60, 200, 40, 20), (150, 200, 118, 32), (232, 200, 200, 32), (232, 20, 20, 32)],
)
def test_a_part_is_held_out(count: int, samples: int, calibrated: int, checked: int) -> None:
    found = holdout.hold_out(from_array(values(count), (3,), count), samples)
    assert found.held_out
    assert (len(found.calibration.inputs), len(found.check.inputs)) == (calibrated, checked)
    assert not set(found.calibration.inputs[:, 0]) & set(found.check.inputs[:, 0])
    assert found.calibration.manifest["count"] == calibrated
    assert found.calibration.manifest["of"] == count
    # An array may be in the order of its classes: of each end some are on either side.
    assert found.check.inputs[:, 0].min() < count / 2 < found.check.inputs[:, 0].max()


def test_too_few_to_hold_some_out_is_said() -> None:
    options = ExportOptions(quantize="int8")
    found, notes = holdout.find(values(19), (3,), options, trained=True, progress=SILENT)
    assert not found.held_out
    assert len(found.calibration.inputs) == len(found.check.inputs) == 19
    assert any("19 examples are too few to hold some out" in note for note in notes)
    with pytest.raises(InputError, match="at least 10 examples, not --calibration-samples 9"):
        holdout.find(values(50), (3,), options.change(calibration_samples=9), trained=True, progress=SILENT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of 14 pictures, one colour each."""
    for number, name in enumerate(("blue", "green", "red")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(14):
            pixels = np.random.default_rng(i).integers(0, 60, SHAPE).astype(np.uint8)
            pixels[..., 2 - number] += 150
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i:02}.png")
    return tmp_path / "pictures"


def test_the_owner_can_still_check_what_a_file_was_calibrated_on(folder: Path, tmp_path: Path) -> None:
    found = holdout.hold_out(from_folder(folder, SHAPE, samples=40, seed=3), 200)
    assert {path.parent.name for path in found.check.files} == {"blue", "green", "red"}
    card = {"calibration": json.loads(json.dumps(found.calibration.manifest))}
    assert is_calibrated_on(card, folder)
    found.check.files[0].write_bytes(found.check.files[0].read_bytes() + b"\0")
    assert is_calibrated_on(card, folder)  # that one was held out
    found.calibration.files[0].write_bytes(found.calibration.files[0].read_bytes() + b"\0")
    assert not is_calibrated_on(card, folder)
    np.save(tmp_path / "v.npy", values(70))
    drawn = holdout.hold_out(from_array(values(70), (3,), 60, 5), 30)
    card = {"calibration": json.loads(json.dumps(drawn.calibration.manifest))}
    assert is_calibrated_on(card, tmp_path / "v.npy")
    np.save(tmp_path / "v.npy", values(70) + 1)
    assert not is_calibrated_on(card, tmp_path / "v.npy")
    with pytest.raises(InputError, match="damaged: count 30 of 7"):
        is_calibrated_on({"calibration": card["calibration"] | {"of": 7}}, tmp_path / "v.npy")


@pytest.fixture(scope="module")
def colours() -> keras.Model:
    """Names the colour of a picture, in the order of the folders."""
    inputs = keras.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs))
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(inputs, dense(x), name="colours")
    dense.set_weights([np.eye(3, dtype=np.float32)[::-1] * 20, np.full(3, 0.1, np.float32)])
    return model


def test_the_check_of_a_good_file_has_no_doubts(colours: keras.Model, folder: Path, tmp_path: Path) -> None:
    report = to_tflite(colours, tmp_path / "m.tflite", quantize="int8", calibration=folder)
    assert report.verification
    assert report.verification.held_out
    assert report.verification.inputs == 14
    assert report.card["calibration"]["count"] == 28
    assert report.card["verification"]["held_out"] is True
    assert report.verification.doubts == ()


def test_pictures_of_one_class_are_a_doubt(colours: keras.Model, folder: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted((folder / "red").glob("*.png"))):
        path.with_name(f"more{i}.png").write_bytes(path.read_bytes())
    report = to_tflite(colours, tmp_path / "m.tflite", quantize="int8", calibration=folder / "red")
    assert any("Keras gives the same class for all 9 inputs of the check (red)" in note for note in report.notes)


def test_pictures_that_keras_names_otherwise_are_a_doubt(colours: keras.Model, folder: Path, tmp_path: Path) -> None:
    labels = ["green", "red", "blue"]
    report = to_tflite(colours, tmp_path / "m.tflite", calibration=folder, labels=labels)
    assert any("Keras itself names only 0 of 14 pictures of pictures" in note for note in report.notes)


@pytest.mark.slow
def test_a_file_that_is_good_for_its_calibration_pictures_alone_is_said_to_be(
    colours: keras.Model, folder: Path, tmp_path: Path
) -> None:
    """Dark pictures: what is brighter saturates, and three classes become one."""
    dark = from_folder(folder, SHAPE).inputs * np.float32(0.02)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="copy")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="d")(x), name="sums")
    model.get_layer("copy").set_weights([np.eye(3, dtype=np.float32)[np.newaxis, np.newaxis]])
    model.get_layer("d").set_weights([np.eye(3, dtype=np.float32), np.full(3, 0.1, np.float32)])
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", calibration=dark, min_agreement=0)
    assert any("pictures unlike those of the calibration" in note for note in report.notes)
    good = to_tflite(model, tmp_path / "g.tflite", quantize="int8", calibration=holdout_pictures(), min_agreement=0)
    assert not any("pictures unlike those" in note for note in good.notes)


def holdout_pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, *SHAPE)).astype(np.float32)


def test_values_have_no_others_to_be_tried_on() -> None:
    assert holdout.unlike(Calibration(values(20), {"source": "array"}), (3,)) is None


def test_only_a_file_whose_ranges_are_measured_needs_examples_to_measure_them_on() -> None:
    int8, few = ExportOptions(quantize="int8"), ExportOptions(calibration_samples=9)
    for options, learnt in ((int8, True), (ExportOptions(), False), (few.change(quantize="int8"), True), (few, False)):
        found, notes = holdout.find(values(19), (3,), options, trained=True, learnt=learnt, progress=SILENT)
        assert notes == []
        assert len(found.check.inputs) == 19
    with pytest.raises(InputError, match="not --calibration-samples 9"):
        holdout.find(values(50), (3,), few.change(quantize="int8"), trained=True, progress=SILENT)
    # As many as are needed.
    enough = ExportOptions(quantize="int8", calibration_samples=10)
    found, notes = holdout.find(values(50), (3,), enough, trained=True, progress=SILENT)
    assert (len(found.calibration.inputs), len(found.check.inputs), notes) == (10, 32, [])


def test_a_net_without_examples_is_calibrated_and_checked_on_synthetic_inputs() -> None:
    for samples, calibrated in ((200, 32), (12, 12)):
        options = ExportOptions(quantize="int8", calibration_samples=samples)
        found, _ = holdout.find(None, (3,), options, trained=False, progress=SILENT)
        assert (len(found.calibration.inputs), len(found.check.inputs)) == (calibrated, 32)
        assert found.held_out


def test_pictures_unlike_those_of_the_calibration_are_sixteen_patches_and_sixteen_negatives() -> None:
    pictures = holdout_pictures()
    found = holdout.unlike(Calibration(pictures, {"source": "array"}), SHAPE)
    assert found is not None
    assert found.shape == (32, *SHAPE)
    np.testing.assert_array_equal(found[16:], 255 - pictures[:16])
    assert found.min() >= 0
    assert found.max() <= 255


def test_keras_is_sure_where_the_best_score_is_a_fifth_ahead() -> None:
    scores = np.array([[0.5, 0.25, 0.25], [0.4, 0.35, 0.25], [0.375, 0.5, 0.125], [0.61, 0.39, 0], [0.59, 0.41, 0]])
    assert holdout.sure(scores).tolist() == [True, False, False, True, False]
    # Scores that are none of classes are never unsure.
    for others in (scores[:, :2] + 1, scores - 0.2, np.ones((5, 1))):
        assert holdout.sure(others).tolist() == [True] * 5


@pytest.mark.parametrize(("share", "count", "told"), [(0.75, 32, 0), (0.74, 32, 1), (0.0, 9, 0), (0.0, 10, 1)])
def test_a_file_depends_on_its_pictures_where_it_agrees_on_less_than_three_in_four_others(
    share: float, count: int, told: int
) -> None:
    agreement = Agreement(share, "names the same class as Keras", {})
    notes = holdout.dependence(agreement, count)
    assert len(notes) == told
    assert all(f"on {count} pictures unlike those" in one and f"on {share:.0%} only" in one for one in notes)


@pytest.mark.parametrize(
    ("named", "of", "told"), [(5, 10, False), (4, 10, True), (0, 9, False), (9, 20, True), (10, 20, False)]
)
def test_folders_are_doubted_where_keras_names_less_than_half_of_ten_pictures_or_more(
    named: int, of: int, told: bool
) -> None:
    # Those of a folder that is no class say nothing.
    files = tuple(Path(folder, f"{i}.png") for i in range(of) for folder in ("cat", "other"))
    check = Calibration(np.zeros((2 * of, 1), np.float32), {"source": "photos"}, files)
    scores = np.array([[1.0, 0.0] if i < named else [0.0, 1.0] for i in range(of) for _ in range(2)])
    agreement = Agreement(1.0, "names the same class as Keras", {})
    notes = holdout.doubts(agreement, check, scores, ["cat", "dog"])
    assert [f"Keras itself names only {named} of {of} pictures of photos" in note for note in notes] == [True] * told
    assert holdout.doubts(agreement, check, None, ["cat", "dog"]) == []
