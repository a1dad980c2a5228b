"""What a training gives, on real pictures."""

from __future__ import annotations

import csv
import itertools
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.conftest import Cli
from zoo.data import Report
from zoo.errors import InputError, OptionError, OutputError, TrainingError
from zoo.inputs import seen
from zoo.tflite.card import describe
from zoo.training import TrainResult, resume, train
from zoo.training.recipe import read_toml
from zoo.training.records.checkpoint import Checkpoint
from zoo.training.tasks import columns
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.watch import describe_row
from zoo.weights import load_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]

QUICK: dict[str, Any] = {"epochs": 4, "input_size": 28}


class Notes:
    """A watch that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.reports: list[Report] = []
        self.batches: list[tuple[int, int, int]] = []

    def data(self, report: Report) -> None:
        self.reports.append(report)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        self.batches.append((epoch, batch, batches))

    def epoch(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="session")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainResult, Notes]:
    notes = Notes()
    out = tmp_path_factory.mktemp("runs") / "lenet"
    return train("lenet", pictures, out=out, epochs=12, watch=notes), notes


def test_it_learns(trained: tuple[TrainResult, Notes]) -> None:
    result, _ = trained
    assert result.accuracy > 0.85
    assert result.history[-1]["loss"] < result.history[0]["loss"] / 4
    found = result.model.predict(result.data.sources["validation"].fetch(np.arange(5)).astype(np.float32), verbose=0)
    assert found.shape == (5, 10)


def test_a_build_with_the_weights_of_a_run_has_what_the_run_knows(
    trained: tuple[TrainResult, Notes], cli: Cli, tmp_path: Path
) -> None:
    folder = trained[0].folder
    done = cli("build", "lenet", "--weights", folder / "model.keras", "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    file = describe(tmp_path / "lenet.tflite")
    assert list(file.labels) == [str(i) for i in range(10)]
    assert (file.card["weights_from"], file.card["began_with"]) == ("model.keras", "none")
    assert file.card["training_data"]["splits"] == seen.from_record(folder)["splits"]  # type: ignore[index]
    # The weights of another folder are not those of a run, and a new head has other classes.
    shutil.copy(folder / "model.keras", tmp_path)
    assert cli("build", "lenet", "--weights", tmp_path / "model.keras", "--out", tmp_path).code == 0
    assert describe(tmp_path / "lenet.tflite").labels[0] == "class_0"


def test_what_the_folder_holds(trained: tuple[TrainResult, Notes]) -> None:
    result, _ = trained
    folder = result.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "README.md", "architecture.json", "confusion.png", "curves.png", "events", "history.csv", "labels.txt",
        "metrics.json", "mistakes.png", "model.keras", "recipe.toml", "reliability.png", "resume.toml", "split.json",
        "state.npz",
    }  # fmt: skip
    assert (folder / "labels.txt").read_text().split() == [str(i) for i in range(10)]
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in result.history]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["accuracy"] == result.accuracy
    assert sum(map(sum, metrics["confusion"])) == metrics["count"] == len(result.data.sources["validation"])
    for name in ("curves.png", "confusion.png", "mistakes.png", "reliability.png"):
        with Image.open(folder / name) as image:
            assert np.asarray(image).std() > 5
    assert list((folder / "events" / "validation").iterdir())
    card = (folder / "README.md").read_text()
    assert f"accuracy {result.accuracy:.1%}" in card
    assert "to be filled in" in card
    run = read_toml(folder / "recipe.toml")
    assert (run["recipe"]["epochs"], run["recipe"]["augment"], run["model"]["name"]) == (12, "light", "lenet")


def test_no_file_but_the_one_for_resuming_says_where_the_run_was_made(
    trained: tuple[TrainResult, Notes], pictures: Path
) -> None:
    folder = trained[0].folder
    assert read_toml(folder / "resume.toml") == {"data": str(pictures), "weights": "none"}
    assert read_toml(folder / "recipe.toml")["data"]["path"] == pictures.name
    for path in folder.rglob("*"):
        assert f".{platform.node()}." not in path.name
        if path.is_file() and path.name != "resume.toml":
            content = path.read_bytes()
            assert str(pictures).encode() not in content, path
            assert str(folder.parent).encode() not in content, path
    for name in ("curves.png", "confusion.png", "mistakes.png", "reliability.png"):
        with Image.open(folder / name) as image:
            assert "Software" not in image.info


def test_tensorboard_reads_the_events(trained: tuple[TrainResult, Notes]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    result, _ = trained
    for part, names in (("train", {"loss", "accuracy", "learning_rate"}), ("validation", {"loss", "accuracy"})):
        events = EventAccumulator(str(result.folder / "events" / part), {"tensors": 0})
        events.Reload()
        assert set(events.Tags()["tensors"]) == {f"epoch_{name}" for name in names}
        prefix = "" if part == "train" else "val_"
        seen = {one.step: float(tensor_util.make_ndarray(one.tensor_proto)) for one in events.Tensors("epoch_loss")}
        assert seen == pytest.approx({row["epoch"]: row[f"{prefix}loss"] for row in result.history}, rel=1e-6)
        assert events.SummaryMetadata("epoch_loss").plugin_data.plugin_name == "scalars"


def test_the_model_kept_is_the_best(trained: tuple[TrainResult, Notes]) -> None:
    result, _ = trained
    best = max(result.history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert result.metrics["best_epoch"] == best["epoch"]
    assert result.accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)


def test_the_watch_is_told(trained: tuple[TrainResult, Notes]) -> None:
    result, notes = trained
    batches = -(-len(result.data.sources["train"]) // 64)
    assert notes.rows == result.history
    assert notes.batches == [(e, b, batches) for e in range(1, 13) for b in range(1, batches + 1)]


@pytest.mark.slow
def test_figures_of_training_files_are_not_called_those_of_validation(pictures: Path, tmp_path: Path) -> None:
    watch = Notes()
    result = train("mlp", pictures, out=tmp_path / "run", epochs=2, validation=0.0, watch=watch)
    with (result.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(watch.rows) == 2
    assert {*rows[0], *watch.rows[0], *result.history[0]} == set(rows[0])
    assert not any(name.startswith("val_") for name in rows[0])
    assert describe_row(watch.rows[0]).endswith(f"(no files are held out)  {watch.rows[0]['seconds']:.1f} s")
    assert result.metrics["split"] == "train"
    assert resume(result.folder).history == result.history


def test_a_finished_run_is_not_trained_further(trained: tuple[TrainResult, Notes]) -> None:
    result, _ = trained
    notes = Notes()
    again = resume(result.folder, watch=notes)
    assert notes.rows == []
    assert again.accuracy == result.accuracy


def test_the_scores_are_calibrated_in_the_model_itself(trained: tuple[TrainResult, Notes]) -> None:
    from zoo.tasks.confidence import calibration_error
    from zoo.training.tasks.temperature import Temperature

    result, _ = trained
    found = result.metrics["scores"]
    source = result.data.sources["validation"]
    assert found["fitted_on"] == {"split": "validation", "count": len(source)}
    assert found["temperature"] != 1
    pixels = source.fetch(np.arange(len(source))).astype(np.float32)
    scores = load_model(result.folder / "model.keras").predict(pixels, verbose=0)
    np.testing.assert_allclose(scores, result.model.predict(pixels, verbose=0), atol=1e-6)
    right = scores.argmax(axis=1) == source.labels
    assert right.mean() == pytest.approx(result.accuracy)
    assert calibration_error(scores.max(axis=1), right) == pytest.approx(found["calibration_error"], abs=0.02)
    # The checkpoint keeps the weights that were trained, with which the training would go on.
    model = zoo.build("lenet")
    Checkpoint(result.folder, columns(CLASSIFICATION)).restore_model(model)
    raw = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(Temperature(found["temperature"]).apply(raw), scores, atol=1e-4)
    for one in found["min_score"]:
        if one["min_score"] is not None:
            assert right[scores.max(axis=1) >= one["min_score"]].mean() >= one["precision"] - 0.02
    card = (result.folder / "README.md").read_text()
    assert f"temperature {found['temperature']:.2f}" in card


def test_a_finished_run_is_calibrated_as_before_even_if_it_was_killed_just_before_it(
    trained: tuple[TrainResult, Notes], tmp_path: Path
) -> None:
    result, _ = trained
    folder = tmp_path / "run"
    shutil.copytree(result.folder, folder)
    saved = (folder / "model.keras").read_bytes()
    temperature = result.metrics["scores"]["temperature"]
    assert resume(folder).metrics["scores"]["temperature"] == temperature
    assert (folder / "model.keras").read_bytes() == saved
    # The file of the best model as it was when the last epoch ended.
    model = load_model(folder / "model.keras")
    Checkpoint(folder, columns(CLASSIFICATION)).restore_model(model)
    model.save(folder / "model.keras")
    assert resume(folder).metrics["scores"]["temperature"] == temperature
    for one, other in zip(load_model(folder / "model.keras").weights, result.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same(pictures: Path, tmp_path: Path) -> None:
    runs = [train("mlp", pictures, out=tmp_path / str(i), seed=seed, epochs=2) for i, seed in enumerate((1, 1, 2))]
    losses = [[row["loss"] for row in run.history] for run in runs]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    assert losses[0] != pytest.approx(losses[2], abs=1e-3)


@pytest.fixture(scope="session")
def transferred(pictures: Path, trained: tuple[TrainResult, Notes], tmp_path_factory: Any) -> TrainResult:
    """The digits' net taught to tell four of them, by new names."""
    folder = tmp_path_factory.mktemp("transfer")
    for digit in "1047":
        (folder / "data" / f"digit {digit}").mkdir(parents=True)
        for path in (pictures / digit).iterdir():
            (folder / "data" / f"digit {digit}" / path.name).symlink_to(path)
    weights = trained[0].folder / "model.keras"
    return train(
        "lenet",
        folder / "data",
        out=folder / "run",
        weights=weights,
        head_epochs=16,
        head_learning_rate=1e-2,
        patience=0,
        epochs=2,
        freeze="pool1",
    )


def test_a_new_head_then_the_last_blocks(trained: tuple[TrainResult, Notes], transferred: TrainResult) -> None:
    assert [row["stage"] for row in transferred.history] == ["head"] * 16 + ["whole"] * 2
    assert transferred.accuracy > 0.8
    old, new = (run.model.get_layer("conv1").get_weights()[0] for run in (trained[0], transferred))
    np.testing.assert_array_equal(old, new)
    assert transferred.data.class_names == ("digit 0", "digit 1", "digit 4", "digit 7")


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
def test_schedules(pictures: Path, tmp_path: Path, schedule: str) -> None:
    result = train(
        "mlp", pictures, out=tmp_path / "run", schedule=schedule, epochs=6, learning_rate=0.004, patience=3,
        optimizer="sgd" if schedule == "plateau" else "adam",
    )  # fmt: skip
    rates = [row["learning_rate"] for row in result.history]
    if schedule == "constant":
        assert rates == pytest.approx([0.004] * len(rates))
    elif schedule == "cosine":
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 0.001
    else:
        assert all(b == pytest.approx(a) or b == pytest.approx(a / 2) for a, b in itertools.pairwise(rates))


def test_early_stopping(pictures: Path, tmp_path: Path) -> None:
    result = train("mlp", pictures, out=tmp_path / "run", epochs=30, learning_rate=0.0, patience=2)
    # Nothing changes: the first epoch stays the best.
    assert (result.metrics["best_epoch"], len(result.history)) == (1, 3)


def test_a_model_of_ones_own(pictures: Path, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
         keras.layers.Dense(10, activation="softmax")]
    )  # fmt: skip
    result = train(model, pictures, out=tmp_path / "run", epochs=8)
    assert result.accuracy > 0.7
    with pytest.raises(OptionError, match="'alpha' is neither a field of a recipe nor an option"):
        train(model, pictures, out=tmp_path / "other", alpha=0.5)
    small = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(OptionError, match="the data have 10 classes; give a model with 10 outputs"):
        train(small, pictures, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_mixed_precision_saves_float32(pictures: Path, tmp_path: Path) -> None:
    import keras

    result = train("mlp", pictures, out=tmp_path / "run", epochs=4, mixed_precision=True)
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.dtype_policy.name for layer in result.model.layers} == {"float32"}
    assert result.accuracy > 0.5


def test_xla(pictures: Path, tmp_path: Path) -> None:
    # All batches have one shape, each of which is compiled.
    recipe: dict[str, Any] = {"epochs": 2, "batch_size": 40, "augment": "none"}
    assert train("mlp", pictures, out=tmp_path / "run", xla=True, **recipe).history[-1]["loss"] < 2


def test_windows_of_sensor_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, frequency in (("slow", 2), ("fast", 9)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(40):
            wave = np.sin(np.linspace(0, frequency * np.pi, 128) + rng.uniform(0, 6))[:, None]
            np.save(tmp_path / "data" / label / f"{i}.npy", (wave + rng.normal(0, 0.2, (128, 6))).astype(np.float32))
    result = train("conv1d", tmp_path / "data", out=tmp_path / "run", epochs=6)
    assert result.accuracy == 1.0
    assert not (result.folder / "mistakes.png").exists()
    assert "sensor values" in (result.folder / "README.md").read_text()


def test_a_loss_that_is_no_number(pictures: Path, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Rescaling(1e38), keras.layers.Flatten(),
         keras.layers.Dense(10, activation="softmax")]
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"the loss became nan at batch 1: lower the learning rate"):
        train(model, pictures, out=tmp_path / "run")


def test_what_is_wrong_is_found_before_there_is_a_folder(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(OptionError, match="num_classes=3, but the data have 10 classes"):
        train("lenet", pictures, out=out, num_classes=3)
    with pytest.raises(OptionError, match="freeze='x' is no layer"):
        train("lenet", pictures, out=out, freeze="x")
    with pytest.raises(OptionError, match="alpha"):
        train("lenet", pictures, out=out, alpha=0.5)
    with pytest.raises(InputError):
        train("lenet", tmp_path / "nothing", out=out)
    with pytest.raises(OptionError, match="strategy='many' is not one of"):
        train("lenet", pictures, out=out, strategy="many")
    assert not out.exists()
    out.mkdir()
    (out / "thesis.txt").write_text("important")
    with pytest.raises(OutputError, match="exists already; choose another folder"):
        train("lenet", pictures, out=out)
    assert (out / "thesis.txt").read_text() == "important"


def test_it_is_part_of_the_lazy_api() -> None:
    assert zoo.train is train
