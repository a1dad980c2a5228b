"""A detector goes through the same training as a classifier, with boxes as labels and mAP as the metric."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.conftest import Cli
from tests.training.own_detector import SIZE, register_detector
from tests.training.scenes import NAMES, draw_scenes
from zoo.data.boxes import check_boxes
from zoo.errors import InputError, OptionError, TrainingStopped
from zoo.export import to_tflite
from zoo.inputs import seen
from zoo.models.detectors import anchored
from zoo.registry import restore, snapshot
from zoo.runner import Detector
from zoo.tasks.objects.anchors import default_shapes
from zoo.tasks.objects.boxes import LARGEST_CODE
from zoo.tflite import modelfile
from zoo.tflite.card import describe
from zoo.training import TrainResult, resume, train, train_quantized
from zoo.training.recipe import read_toml
from zoo.training.run import train_from
from zoo.training.watch import NullWatch
from zoo.weights import load_model

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("programs") / "find_scenes.py"


class Listening(NullWatch):
    """Keeps what is said, and sends Ctrl-C to this process after a batch."""

    def __init__(self, epoch: int = 0, batch: int = 0) -> None:
        self.at, self.notes, self.lines = (epoch, batch), list[str](), list[str]()

    def data(self, report: Any) -> None:
        self.lines += report.lines()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        if (epoch, batch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module", autouse=True)
def known() -> Iterator[None]:
    """Makes the small detector known to the tests of this module."""
    before = snapshot()
    register_detector()
    yield
    restore(before)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "data")


@pytest.fixture(scope="module")
def heard() -> Listening:
    return Listening()


@pytest.fixture(scope="module")
def alone(scenes: Path, heard: Listening, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A training on one device, without a break."""
    return train("spotter", scenes, out=tmp_path_factory.mktemp("alone") / "run", watch=heard)


def figures(history: list[dict[str, Any]]) -> Any:
    return np.array([[row[name] for name in ("loss", "val_loss", "val_map", "val_ap50")] for row in history])


def same(first: TrainResult, second: TrainResult) -> None:
    np.testing.assert_allclose(figures(first.history)[:, 1:], figures(second.history)[:, 1:], atol=1e-2)
    for ours, theirs in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.slow
def test_a_detector_learns(alone: TrainResult, scenes: Path, heard: Listening) -> None:
    assert alone.task == "detection"
    assert alone.score == alone.map == alone.metrics["map"] > 0.4
    assert alone.metrics["ap50"] > 0.7
    assert alone.history[0]["val_loss"] > 2 * alone.history[-1]["val_loss"]
    # Few pictures: an epoch takes them again until there are the steps of the recipe, and no more.
    assert alone.data.order.length == 50 * 8 > 16 * alone.data.order.count
    assert heard.lines == check_boxes(scenes, (SIZE, SIZE, 3)).lines()
    (note,) = (one for one in heard.notes if one.startswith("anchors"))
    assert note.startswith(
        "anchors are fitted to 36 training boxes: 78% of the boxes have one that overlaps them by half"
    )
    with pytest.raises(OptionError, match="a run for detection has no accuracy; its score is its map"):
        _ = alone.accuracy


@pytest.mark.slow
def test_the_folder_of_a_run_says_what_the_detector_is_worth(alone: TrainResult) -> None:
    folder = alone.folder
    assert read_toml(folder / "recipe.toml")["model"]["task"] == "detection"
    assert (folder / "labels.txt").read_text().split() == list(NAMES)
    with (folder / "history.csv").open() as file:
        assert next(csv.reader(file))[4:] == ["loss", "val_loss", "val_map", "val_ap50"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["map"] == max(row["val_map"] for row in alone.history) == alone.score
    assert metrics["split"] == "validation"
    assert {"ap50", "ap75", "by_size", "threshold", "best_threshold", "counting_error", "confusion"} <= set(metrics)
    assert [one["label"] for one in metrics["classes"]] == list(NAMES)
    assert sum(one["count"] for one in metrics["classes"]) == metrics["objects"] == 12
    # It names no file.
    assert ".png" not in (folder / "metrics.json").read_text()
    card = (folder / "README.md").read_text()
    assert "A detector of 2 classes, made with edgezoo" in card
    assert f"On 8 files of the validation split: mAP {alone.score:.1%} (AP50" in card
    assert "Best balance (F1): --threshold" in card
    for name in ("curves.png", "confusion.png", "worst.png"):
        assert f"]({name})" in card
        assert (folder / name).stat().st_size > 3000


@pytest.mark.slow
def test_the_anchors_are_fitted_and_travel_with_the_model(alone: TrainResult) -> None:
    saved = load_model(alone.folder / "model.keras")
    shapes = anchored.shapes_of(saved)
    assert shapes == anchored.shapes_of(alone.model) != default_shapes(2)[:1]
    # The boxes are squares of a quarter to a half of the picture's side.
    assert all(0.2 < side < 0.5 for shape in shapes[0] for side in shape)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["one", pytest.param("mirrored", marks=pytest.mark.slow)])
def test_a_stopped_training_goes_on_to_the_same_result(
    alone: TrainResult, scenes: Path, tmp_path: Path, strategy: str
) -> None:
    with pytest.raises(TrainingStopped, match="stopped in epoch 2 after batch 20 of 50"):
        train("spotter", scenes, out=tmp_path / "run", strategy=strategy, watch=Listening(2, 19))
    same(resume(tmp_path / "run"), alone)


class Impatient(NullWatch):
    """Sends Ctrl-C when an epoch is told, which is between two steps."""

    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def epoch(self, row: dict[str, Any]) -> None:
        if row["epoch"] == self.at:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 4])
def test_ctrl_c_between_two_steps_says_how_to_go_on(
    alone: TrainResult, scenes: Path, tmp_path: Path, epoch: int
) -> None:
    with pytest.raises(TrainingStopped, match=f"stopped between two steps; .* zoo train --resume {tmp_path / 'run'}"):
        train("spotter", scenes, out=tmp_path / "run", watch=Impatient(epoch))
    same(resume(tmp_path / "run"), alone)


def test_ctrl_c_before_the_first_step_says_that_nothing_was_changed(
    scenes: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.training.run.begin_run", interrupted)
    done = cli("train", "spotter", scenes, "--out", tmp_path / "run")
    assert (done.code, list(tmp_path.iterdir())) == (130, [])
    assert done.error == "stopped before the first step, so that nothing was changed; the same command begins again"


@pytest.mark.slow
def test_a_training_that_was_killed_before_its_first_checkpoint_begins_anew_with_the_same_anchors(
    alone: TrainResult, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(alone.folder, run)
    (run / "state.npz").unlink()
    (run / "model.keras").unlink()
    with pytest.raises(TrainingStopped):
        resume(run, watch=Listening(1, 2))
    again = zoo.models.build("spotter")
    from zoo.training.records.checkpoint import Checkpoint
    from zoo.training.records.folder import read_architecture, read_run
    from zoo.training.tasks import columns
    from zoo.training.tasks.detection import DETECTION_TRAINING

    assert Checkpoint(run, columns(DETECTION_TRAINING)).state.batches == 3
    model = read_architecture(read_run(run)["architecture"], run)
    assert anchored.shapes_of(model) == anchored.shapes_of(alone.model) != anchored.shapes_of(again)


@pytest.mark.slow
def test_a_model_of_ones_own_is_a_detector_if_it_carries_anchors(scenes: Path, tmp_path: Path) -> None:
    choices: dict[str, Any] = {"epochs": 1, "batch_size": 12, "augment": "none", "resize": "stretch", "validation": 0.0}
    result = train(zoo.models.build("spotter"), scenes / "train", out=tmp_path / "run", **choices)
    assert result.task == "detection"
    # Its anchors are what it was made with.
    assert anchored.shapes_of(result.model) == default_shapes(2)[:1]
    # Nothing is held out: it is judged on what it learns.
    assert (result.metrics["split"], result.metrics["count"]) == ("train", 24)
    assert result.history[0]["map"] == result.score
    with pytest.raises(OptionError, match=r"the data have 2 classes; give a detector with the outputs \(anchors, 4\)"):
        train(zoo.models.build("spotter", num_classes=3), scenes, out=tmp_path / "three", resize="stretch")


@pytest.mark.slow
def test_a_finished_run_is_trained_further_with_its_anchors(alone: TrainResult, tmp_path: Path) -> None:
    result = train_from(alone.folder, out=tmp_path / "more", epochs=1, min_steps=10, learning_rate=1e-4)
    assert result.history[0]["val_map"] > 0.8 * alone.score
    assert anchored.shapes_of(result.model) == anchored.shapes_of(alone.model)
    # The file alone knows the names of the classes.
    assert anchored.labels_of(load_model(result.folder / "model.keras")) == tuple(NAMES)


@pytest.mark.slow
def test_a_detector_is_trained_for_int8_with_its_float_model_as_the_teacher(alone: TrainResult, tmp_path: Path) -> None:
    values: dict[str, Any] = {"epochs": 1, "min_steps": 10, "learning_rate": 1e-4}
    result = train_quantized(alone.folder, out=tmp_path / "int8", **values)
    assert result.score > 0.7 * alone.score
    assert anchored.shapes_of(result.model) == anchored.shapes_of(alone.model)
    # What is stored of a box ends where the files of all detectors end.
    assert result.model.get_layer("ssd_box0_range").limit == LARGEST_CODE
    report = to_tflite(result.model, tmp_path / "int8.tflite", quantize="int8", min_agreement=0.2)
    assert not [tensor for tensor in modelfile.read(report.path).main.tensors if tensor.dtype == "FLOAT32"]


def test_data_of_the_other_kind_are_refused_with_what_would_fit(scenes: Path, digits_folder: Path, cli: Cli) -> None:
    done = cli("train", "spotter", digits_folder)
    assert done.code == 1
    assert done.error.startswith(f"{digits_folder} holds no labelled boxes, which a detector learns from (COCO JSON")
    assert "for pictures by class train a classifier: mobilenet_v2" in done.error
    done = cli("train", "lenet", scenes)
    assert done.code == 1
    assert done.error.startswith(
        f"{scenes} holds labelled boxes, and a classifier learns from pictures by class: train"
    )
    assert "ssdlite_mobilenet_v2" in done.error
    done = cli("train", "spotter", scenes, "--resize", "crop")
    assert done.error.startswith("--resize crop is not for detectors, which see the whole picture, stretched")
    done = cli("train", "spotter", scenes / "nowhere")
    assert done.error == f"no data folder or annotation file {scenes / 'nowhere'}"


@pytest.mark.slow
def test_the_command_prints_facts_first_and_figures_last(scenes: Path, tmp_path: Path, cli: Cli) -> None:
    choices = ("--epochs", "1", "--min-steps", "20", "--anchors", "paper", "--mixed-precision")
    done = cli("train", "spotter", scenes, "--out", tmp_path / "run", *choices)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"data: {scenes}, 32 of 32 pictures used"
    assert any(line.startswith("note: anchors are those of the SSD paper: ") for line in lines)
    assert any(line.startswith("epoch   1 (whole)  loss ") and "  map " in line for line in lines)
    assert any(line.split() == ["class", "objects", "AP", "AP50", "precision", "recall"] for line in lines)
    assert any(line.startswith("map ") and "on 8 files of the validation split" in line for line in lines)
    saved = load_model(tmp_path / "run" / "model.keras")
    assert anchored.shapes_of(saved) == default_shapes(2)[:1]
    # It computed in half precision, and is saved in whole.
    assert {str(weight.dtype) for weight in saved.weights} == {"float32"}
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    assert "bfloat16" in (tmp_path / "run" / "architecture.json").read_text()


@pytest.mark.slow
def test_the_map_of_every_file_stands_beside_that_of_keras(alone: TrainResult, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    shutil.copytree(alone.folder, run)
    done = cli("train", "--resume", run, "--export", "tflite", "--quantize", "none,int8")
    assert done.code == 0, done.err
    (header,) = (line for line in done.out.splitlines() if line.startswith("file "))
    assert header.split() == ["file", "mode", "size", "mAP", "as", "Keras", "latency", "run", "by"]
    rows = {row["mode"]: row for row in json.loads((run / "files.json").read_text())}
    assert set(rows) == {"keras", "none", "int8"}
    assert rows["keras"]["map"] == alone.score
    assert rows["none"]["map"] == pytest.approx(alone.score, abs=0.005)
    assert rows["int8"]["map"] > alone.score - 0.1
    assert all(row["count"] == 8 and row["split"] == "validation" for row in rows.values())
    assert all(f" {row['map']:.1%} " in done.out for row in rows.values())
    assert "| file | size | mAP | as Keras | latency, median | runtime |" in (run / "README.md").read_text()
    card = describe(run / "spotter_int8.tflite").card
    assert card["map"] == rows["int8"]["map"]
    assert card["map_keras"] == alone.score
    assert card["map_on"] == {"split": "validation", "count": 8}
    # By default a file shows what gives the best balance on the validation pictures.
    best = round(alone.metrics["best_threshold"]["threshold"], 2)
    assert card["threshold"] == best != 0.5
    assert f"the files show objects from a score of {best:g} on" in done.out + done.err
    # The file is a detector to the runner, with the fitted anchors.
    found = Detector(run / "spotter_int8.tflite").detect(alone.data.sources["validation"].paths[3])
    assert {one.label for one in found} <= set(NAMES)
    assert found


@pytest.fixture(scope="module")
def aged(alone: TrainResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run as an older version wrote it: the model has no names, the folder no settings."""
    run = tmp_path_factory.mktemp("aged") / "run"
    shutil.copytree(alone.folder, run)

    def without(path: Path, *names: str) -> None:
        found = json.loads(path.read_text())
        path.write_text(json.dumps({name: value for name, value in found.items() if name not in names}))

    def nameless(config: str) -> str:
        found = json.loads(config)
        (anchors,) = (one for one in found["config"]["layers"] if one["class_name"] == "Anchors")
        del anchors["config"]["labels"]
        return json.dumps(found)

    without(run / "metrics.json", "settings")
    without(run / "split.json", "unused")
    (run / "architecture.json").write_text(nameless((run / "architecture.json").read_text()))
    with zipfile.ZipFile(alone.folder / "model.keras") as old, zipfile.ZipFile(run / "model.keras", "w") as new:
        for part in old.namelist():
            content = old.read(part)
            new.writestr(part, nameless(content.decode()) if part == "config.json" else content)
    return run


@pytest.mark.slow
def test_the_file_of_a_model_in_a_runs_folder_has_what_the_run_knows(
    alone: TrainResult, scenes: Path, tmp_path: Path, cli: Cli
) -> None:
    done = cli("export", alone.folder / "model.keras", "--out", tmp_path)
    assert done.code == 0, done.err
    assert "note: " not in done.out
    detector = Detector(tmp_path / "model.tflite")
    best = round(alone.metrics["best_threshold"]["threshold"], 2)
    assert detector.task.threshold == best != 0.5
    assert detector.labels == tuple(NAMES)
    card = detector.card
    assert (card["weights_from"], card["began_with"], card["trained_on"]) == ("trained", "none", 24)
    assert (card["architecture"], card["options"]["num_classes"]) == ("spotter", 2)
    # The card alone knows which pictures were trained on: no record is beside the file.
    known = seen.recall(card, tmp_path / "model.tflite", sorted(scenes.rglob("*.png")))
    assert known is not None
    assert {(path.parts[-3], split) for path, split in known.items()} == {("train", "train"), ("valid", "validation")}


@pytest.mark.slow
def test_a_run_of_an_older_version_is_exported_resumed_and_trained_further(
    aged: Path, alone: TrainResult, tmp_path: Path, cli: Cli
) -> None:
    done = cli("export", aged / "model.keras", "--out", tmp_path)
    assert done.code == 0, done.err
    assert f"note: {aged} was trained by an older version; zoo train --resume {aged} writes what" in done.out
    detector = Detector(tmp_path / "model.tflite")
    assert (detector.labels, detector.task.threshold) == (tuple(NAMES), 0.5)
    more = train_from(aged, out=tmp_path / "more", epochs=1, min_steps=10, learning_rate=1e-4)
    assert more.history[0]["val_map"] > 0.8 * alone.score
    assert anchored.shapes_of(more.model) == anchored.shapes_of(alone.model)
    again = resume(aged)
    assert again.score == alone.score
    assert json.loads((aged / "metrics.json").read_text())["settings"] == alone.metrics["settings"]


@pytest.mark.slow
def test_a_run_cannot_be_resumed_with_other_pictures(alone: TrainResult, scenes: Path, tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(alone.folder, run)
    shutil.copytree(scenes, data)
    (run / "resume.toml").write_text((run / "resume.toml").read_text().replace(str(scenes), str(data)))
    assert resume(run).score == alone.score
    (data / "valid" / "images" / "0.png").unlink()
    with pytest.raises(InputError, match="has changed since .* was begun"):
        resume(run)


PLAIN: dict[str, Any] = {"augment": "none", "epochs": 2, "min_steps": 20, "norms": False, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def plain(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A short training on one device, without chance."""
    return train("spotter", scenes, out=tmp_path_factory.mktemp("plain") / "run", **PLAIN)


def begin(scenes: Path, out: Path, devices: int = 1, **options: Any) -> subprocess.Popen[str]:
    """Starts the same training in another process."""
    return subprocess.Popen(
        [sys.executable, PROGRAM, scenes, out, str(devices), json.dumps(PLAIN | options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err[-3000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


@pytest.mark.slow
def test_two_devices_learn_what_one_does(plain: TrainResult, scenes: Path, tmp_path: Path) -> None:
    done = end(begin(scenes, tmp_path / "two", 2))
    np.testing.assert_allclose(figures(done["history"])[:, :2], figures(plain.history)[:, :2], rtol=0.01)


@pytest.mark.slow
def test_two_workers_learn_what_one_does(
    plain: TrainResult, scenes: Path, tmp_path: Path, addresses: tuple[str, ...]
) -> None:
    meeting: dict[str, Any] = {"strategy": "multiworker", "workers": addresses[:2]}
    first, second = (end(one) for one in [begin(scenes, tmp_path / str(i), index=i, **meeting) for i in range(2)])
    assert (first["chief"], second["chief"]) == (True, False)
    assert first["score"] == second["score"]
    np.testing.assert_allclose(figures(first["history"])[:, :2], figures(plain.history)[:, :2], rtol=0.01)
    assert anchored.shapes_of(load_model(tmp_path / "0" / "model.keras")) == anchored.shapes_of(plain.model)
    assert not (tmp_path / "1").exists()


@pytest.mark.slow
def test_a_detector_learns_from_a_teacher_without_labels_that_count(
    alone: TrainResult, scenes: Path, tmp_path: Path
) -> None:
    told, teacher = Listening(), alone.folder / "model.keras"
    taught = train(
        "spotter", scenes, out=tmp_path / "run", teacher=teacher, teacher_weight=1.0, temperature=1.0, watch=told
    )
    assert taught.map > 0.3
    assert taught.history[0]["val_loss"] > 2 * taught.history[-1]["val_loss"]
    assert any(note.startswith("the teacher model.keras has ") for note in told.notes)
    assert read_toml(tmp_path / "run" / "recipe.toml")["teacher"]["path"] == "model.keras"


@pytest.mark.slow
def test_a_teacher_with_other_anchors_is_refused(alone: TrainResult, scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"the teacher \w+ has other anchors \(\d+\) than \w+ \(\d+\), so that"):
        train("spotter", scenes, out=tmp_path / "run", teacher=alone.folder / "model.keras", anchors="paper", epochs=1)
    assert not (tmp_path / "run").exists()
