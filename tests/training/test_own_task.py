"""A task of a test's own goes through the same training as classification."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.conftest import Cli
from tests.training.own_task import SIZE, PositionTraining, draw_squares, register_model
from zoo.errors import InputError, OptionError, TrainingStopped
from zoo.progress import SILENT
from zoo.registry import restore, snapshot
from zoo.specs import NUM_CLASSES, ModelSpec
from zoo.training import TrainResult, resume, tasks, train
from zoo.training.distributed.connect import connect
from zoo.training.inputs import describe_data
from zoo.training.loop import fit
from zoo.training.recipe import Recipe, read_toml
from zoo.training.records.folder import begin_run
from zoo.training.setup import prepare
from zoo.training.watch import NullWatch
from zoo.weights import load_model

pytestmark = pytest.mark.usefixtures("undrawn")

PROGRAM = Path(__file__).with_name("programs") / "find_squares.py"
OPTIONS: dict[str, Any] = {"epochs": 6, "batch_size": 25, "learning_rate": 0.01, "patience": 0}
POSITION = PositionTraining()


class StopAt(NullWatch):
    """Sends Ctrl-C to this process after a batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = (epoch, batch)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        if (epoch, batch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module", autouse=True)
def known() -> Iterator[None]:
    """Makes the task and its model known to the tests of this module."""
    before = snapshot()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tasks.TASKS, POSITION.name, POSITION)
        register_model()
        yield
    restore(before)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares")
    draw_squares(folder)
    return folder


@pytest.fixture(scope="module")
def alone(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A training on one device, without a break."""
    return train("finder", squares, out=tmp_path_factory.mktemp("alone") / "run", **OPTIONS)


def figures(history: list[dict[str, Any]]) -> Any:
    return np.array([[row[name] for name in tasks.columns(POSITION)] for row in history])


@pytest.mark.slow
def test_what_is_written_comes_from_the_task(alone: TrainResult) -> None:
    folder = alone.folder
    assert read_toml(folder / "recipe.toml")["model"]["task"] == alone.task == "position"
    with (folder / "history.csv").open() as file:
        (header, *rows) = csv.reader(file)
    assert header[4:] == ["loss", "distance", "val_loss", "val_distance", "val_found"]
    assert len(rows) == 6
    assert alone.history[-1]["val_distance"] < alone.history[0]["val_distance"] / 1.5
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["found"] == alone.score == max(row["val_found"] for row in alone.history)
    assert metrics["distance"] == pytest.approx(alone.history[metrics["best_epoch"] - 1]["val_distance"], abs=1e-5)
    card = (folder / "README.md").read_text()
    assert "A finder of squares, made with edgezoo" in card
    assert f"files of the validation split: found {alone.score:.1%}." in card
    assert "![distances](distances.txt)" in card
    assert len((folder / "distances.txt").read_text().split()) == metrics["count"]
    assert (folder / "curves.png").exists()
    assert not (folder / "confusion.png").exists()


@pytest.mark.slow
def test_a_metric_that_is_better_when_lower(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = dataclasses.replace(POSITION, monitor="distance", higher_is_better=False)
    monkeypatch.setitem(tasks.TASKS, "position", task)
    # So fast that it gets worse again.
    result = train("finder", squares, out=tmp_path / "run", **OPTIONS | {"learning_rate": 0.1})
    distances = [row["val_distance"] for row in result.history]
    assert result.metrics["best_epoch"] == 1 + int(np.argmin(distances))
    assert result.score == pytest.approx(min(distances), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_a_stopped_training_goes_on_to_the_same_result(
    alone: TrainResult, squares: Path, tmp_path: Path, strategy: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(TrainingStopped, match="stopped in epoch 3 after batch 2 of 4"):
        train("finder", squares, out=out, strategy=strategy, watch=StopAt(3, 1), **OPTIONS)
    done = resume(out)
    # What is known of training in the third epoch is what came after the stop.
    np.testing.assert_allclose(figures(done.history)[:2], figures(alone.history)[:2], atol=1e-4)
    np.testing.assert_allclose(figures(done.history)[:, 2:], figures(alone.history)[:, 2:], atol=1e-4)
    for ours, theirs in zip(done.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.slow
def test_one_loss_sees_all_outputs_of_a_model(squares: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        train("two_ends", squares, out=tmp_path / "run", watch=StopAt(2, 1), **OPTIONS)
    result = resume(tmp_path / "run")
    assert len(result.model.outputs) == 2
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4, 5, 6]
    assert result.history[-1]["val_distance"] < result.history[0]["val_distance"] / 1.5
    assert result.score == max(row["val_found"] for row in result.history)


@pytest.mark.slow
def test_the_command_prints_what_the_task_measures(squares: Path, tmp_path: Path, cli: Cli) -> None:
    done = cli("train", "finder", squares, "--out", tmp_path / "run", "--epochs", "1", "--batch-size", "25")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert done.code == 0
    (epoch,) = (line for line in done.out.splitlines() if line.startswith("epoch "))
    assert re.fullmatch(
        r"epoch   1 \(whole\)  loss [\d.]+  distance [\d.]+%  "
        r"validation: loss [\d.]+  distance [\d.]+%  found [\d.]+%  [\d.]+ s",
        epoch,
    )
    assert re.search(rf"^mean distance +{metrics['distance']:.3f}$", done.out, re.MULTILINE)
    assert f"\nfound {metrics['found']:.1%} on {metrics['count']} files of the validation split" in done.out
    assert ": model.keras, README.md, curves.png, distances.txt, ..." in done.out


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_a_new_head_learns_on_cached_features(alone: TrainResult, squares: Path, tmp_path: Path, strategy: str) -> None:
    recipe = Recipe(epochs=0, head_epochs=3, batch_size=25, head_learning_rate=0.01)
    with connect(strategy, None, None, facts={}, note=print) as connected:
        data = POSITION.load(squares, (SIZE, SIZE, 1), recipe, SILENT)
        model = load_model(alone.folder / "model.keras")
        model.layers[-1].set_weights([0.1 * array for array in model.layers[-1].get_weights()])
        about = {"name": "finder", "weights": "none", "pretrained": True, "new_head": True, "options": {}}
        run = {
            "model": about | {"strategy": strategy, "task": POSITION.name},
            "recipe": dataclasses.asdict(recipe),
            "data": {"path": str(squares), **describe_data(data)},
            "versions": {"edgezoo": zoo.__version__},
        }
        setup = prepare(
            folder=tmp_path / "run", run=run, model=model, data=data, recipe=recipe, task=POSITION, strategy=connected
        )
        begin_run(setup.folder, run, data.class_names, model)
        result = fit(setup)
    assert [row["stage"] for row in result.history] == ["head"] * 3
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert read_toml(setup.folder / "recipe.toml")["model"]["new_head"]
    # The body is what it was.
    np.testing.assert_array_equal(result.model.get_weights()[0], alone.model.get_weights()[0])
    assert not np.array_equal(result.model.get_weights()[-1], alone.model.get_weights()[-1])


@pytest.mark.slow
def test_two_devices_learn_what_one_does(alone: TrainResult, squares: Path, tmp_path: Path, warm: list[str]) -> None:
    done = subprocess.run(
        [*warm, PROGRAM, squares, tmp_path / "run", "2", json.dumps(OPTIONS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    history = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(figures(history)[:, :-1], figures(alone.history)[:, :-1], atol=0.01)


@pytest.mark.slow
def test_an_unknown_task_is_refused(alone: TrainResult, squares: Path, tmp_path: Path) -> None:
    @zoo.register(ModelSpec("reader", "", options=(NUM_CLASSES,), task="reading"))
    def reader(*, num_classes: int = 2) -> Any:
        """Not built."""

    with pytest.raises(OptionError, match="the task 'reading' cannot be trained; this version knows classification"):
        train("reader", squares, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run = copy_with_task(alone.folder, tmp_path, '["position"]')
    with pytest.raises(OptionError, match=r"the task \['position'\] cannot be trained"):
        resume(run)


def copy_with_task(folder: Path, parent: Path, task: str) -> Path:
    """A copy of a run whose recipe names another task, as TOML."""
    shutil.copytree(folder, parent / "copy")
    recipe = parent / "copy" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('task = "position"', f"task = {task}"))
    return parent / "copy"


@pytest.mark.slow
def test_a_checkpoint_of_another_task_is_refused(alone: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not hold the progress of a training of this task"):
        resume(copy_with_task(alone.folder, tmp_path, '"classification"'))
