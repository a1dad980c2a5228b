"""A finished run is trained further, as a new run: `train_from` and `--from`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.data import Report
from zoo.errors import InputError, OptionError, TrainingStopped
from zoo.inputs import seen
from zoo.inputs.labelled import SplitName
from zoo.training import TrainResult, loop, resume, train, train_from
from zoo.training.feeds import CachedFeatures, make_feed
from zoo.training.loop import Trainer
from zoo.training.recipe import read_toml
from zoo.training.records import checkpointer
from zoo.training.records.checkpointer import Checkpointer
from zoo.training.watch import NullWatch
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]


class Told(NullWatch):
    """A watch that keeps notes and reports."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.reports: list[Report] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def data(self, report: Report) -> None:
        self.reports.append(report)


@pytest.fixture(scope="module")
def first(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A perceptron after two epochs, split by another seed than the usual one, with a dropout of its own."""
    out = tmp_path_factory.mktemp("first") / "run"
    return train("mlp", digits_folder, out=out, epochs=2, seed=5, validation=0.3, dropout=0.1, patience=0)


@pytest.fixture(scope="module")
def further(first: TrainResult) -> tuple[TrainResult, Told]:
    told = Told()
    return train_from(first.folder, epochs=3, watch=told), told


def test_it_begins_with_the_best_model_and_keeps_recipe_and_split(
    first: TrainResult, further: tuple[TrainResult, Told]
) -> None:
    result, told = further
    assert result.folder == first.folder.with_name("run-2")
    assert len(result.history) == 3
    # Better from the first epoch on than the first run was in its first.
    assert result.history[0]["val_loss"] < first.history[0]["val_loss"]
    for split in ("train", "validation"):
        assert result.data.sources[split].paths == first.data.sources[split].paths
    old, new = (read_toml(run.folder / "recipe.toml") for run in (first, result))
    assert new["recipe"] == old["recipe"] | {"epochs": 3}
    assert new["model"]["options"] == old["model"]["options"]
    assert new["model"]["options"]["dropout"] == 0.1
    assert (new["model"]["from"], new["model"]["weights"]) == ("run", "model.keras")
    assert f"begins with the best model of {first.folder} (accuracy {first.accuracy:.1%} on" in told.notes[0]
    assert "those of the best model of run" in (result.folder / "README.md").read_text()
    assert str(first.folder.parent) not in (result.folder / "recipe.toml").read_text()


def test_the_old_run_is_left_as_it_is(first: TrainResult, further: tuple[TrainResult, Told]) -> None:
    assert len(further[0].history) == 3
    assert json.loads((first.folder / "metrics.json").read_text())["epochs"] == 2
    kept = load_model(first.folder / "model.keras")
    for one, other in zip(kept.get_weights(), first.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_epochs_that_make_it_no_better_are_told_in_the_next_free_folder(first: TrainResult, tmp_path: Path) -> None:
    for name in ("run", "run-2"):
        shutil.copytree(first.folder, tmp_path / name)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text()) | {"accuracy": 1.0}
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
    result = train_from(tmp_path / "run", epochs=1, learning_rate=0.0)
    assert result.folder.name == "run-3"
    # Without any rate it is the same model.
    assert result.accuracy == pytest.approx(first.accuracy)
    for one, other in zip(result.model.get_weights(), first.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert "made it no better: the model of run that they began with had 100.0%" in result.notes[0]


def test_a_head_alone_goes_on_traces_the_body_once_and_reads_nothing_back(
    first: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds: list[CachedFeatures] = []

    def remembered(setup: Any, stage: Any) -> Any:
        made = make_feed(setup, stage)
        assert isinstance(made, CachedFeatures)
        feeds.append(made)
        return made

    def unread(path: Path) -> None:
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr(loop, "make_feed", remembered)
    monkeypatch.setattr(loop, "load_model", unread)
    shutil.copytree(first.folder, tmp_path / "run")
    # Neither split is a multiple of the batch.
    result = train_from(tmp_path / "run", recipe={"freeze": "all", "batch_size": 11}, head_epochs=2)
    assert read_toml(result.folder / "recipe.toml")["recipe"]["batch_size"] == 11
    assert [row["stage"] for row in result.history] == ["head"] * 2
    np.testing.assert_array_equal(result.model.get_weights()[0], first.model.get_weights()[0])
    assert all(len(result.data.sources[split]) % 11 for split in ("train", "validation"))
    assert [one._body.predict_function.experimental_get_tracing_count() for one in feeds] == [1]
    source = result.data.sources["validation"]
    found = feeds[0]._features("validation")
    assert len(found) == len(source)
    pixels = source.fetch(np.arange(len(source))).astype(np.float32)
    np.testing.assert_allclose(found, feeds[0]._body.predict(pixels, verbose=0), rtol=1e-5, atol=1e-5)
    for one, other in zip(load_model(result.folder / "model.keras").weights, result.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_a_head_alone_is_written_once_at_its_end_and_a_stop_before_that_loses_nothing(
    first: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the first epoch is written while the training runs.
    monkeypatch.setattr(checkpointer, "WRITING", 1e-9)
    choices: dict[str, Any] = {"recipe": {"freeze": "all", "patience": 0}, "head_epochs": 3}
    saved: list[Path] = []
    save = Checkpointer.save_model

    def counted(one: Checkpointer) -> None:
        saved.append(one.folder)
        save(one)

    monkeypatch.setattr(Checkpointer, "save_model", counted)
    unbroken = train_from(first.folder, out=tmp_path / "unbroken", **choices)
    assert len(saved) == 2
    assert json.loads((unbroken.folder / "metrics.json").read_text())["best_epoch"] > 1

    def stopped(_: Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save_best", stopped)
        with pytest.raises(TrainingStopped, match="--resume"):
            train_from(first.folder, out=tmp_path / "run", **choices)
    assert not (tmp_path / "run" / "metrics.json").exists()
    head = load_model(tmp_path / "run" / "model.keras").get_weights()[-2]
    assert np.abs(head - unbroken.model.get_weights()[-2]).max() > 1e-4
    again = resume(tmp_path / "run")
    assert again.history[-1]["val_loss"] == unbroken.history[-1]["val_loss"]
    for one, other, read in zip(
        again.model.get_weights(),
        unbroken.model.get_weights(),
        load_model(tmp_path / "run" / "model.keras").get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(one, read)


def test_other_data_may_have_other_classes(first: TrainResult, digits_folder: Path, tmp_path: Path) -> None:
    for digit in "147":
        shutil.copytree(digits_folder / digit, tmp_path / "data" / f"digit {digit}")
    result = train_from(first.folder, tmp_path / "data", out=tmp_path / "out", epochs=1, head_epochs=2)
    assert result.data.class_names == ("digit 1", "digit 4", "digit 7")
    assert [row["stage"] for row in result.history] == ["head", "head", "whole"]


@pytest.mark.parametrize("value", [{"seed": 9}, {"validation": 0.6}, {"group_by": r"(\d)\.png$"}])
def test_no_file_is_held_out_that_the_model_was_trained_on(
    first: TrainResult, tmp_path: Path, value: dict[str, Any]
) -> None:
    option = f"--{next(iter(value)).replace('_', '-')} "
    with pytest.raises(
        OptionError, match=f"with {re.escape(option)}.* held-out files are some that run was trained on"
    ):
        train_from(first.folder, out=tmp_path / "out", epochs=1, recipe=value)
    assert not (tmp_path / "out").exists()


def test_fewer_files_may_be_held_out_and_other_data_are_told_of(first: TrainResult, tmp_path: Path) -> None:
    told = Told()
    fewer = train_from(first.folder, out=tmp_path / "fewer", epochs=1, validation=0.1, seed=5, watch=told)
    held_out = {path.name for path in fewer.data.sources["validation"].paths}
    assert held_out < {path.name for path in first.data.sources["validation"].paths}
    assert not any("was trained on" in note for note in told.notes)
    # The same pictures, of which others are held out now.
    swapped: tuple[tuple[str, SplitName], ...] = (("train", "validation"), ("val", "train"))
    for split, source in swapped:
        for path in first.data.sources[source].paths:
            (tmp_path / "data" / split / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "data" / split / path.parent.name)
    train_from(first.folder, tmp_path / "data", out=tmp_path / "out", epochs=1, watch=told)
    # What evaluates the new model later does not take them for held out either.
    paths = [path for path in (tmp_path / "data").rglob("*.png") if "val" in path.parts]
    found = seen.recall({"weights_from": "trained"}, tmp_path / "out" / "model.keras", paths)
    assert found == dict.fromkeys(paths, "train")
    count = len({path.read_bytes() for path in first.data.sources["train"].paths})
    assert any(f"{count} of {count} held-out files are some that run was trained on" in note for note in told.notes)


def test_the_epochs_of_a_head_that_goes_on_alone_are_those_that_are_given(
    cli: Cli, first: TrainResult, tmp_path: Path
) -> None:
    done = cli("train", "--from", first.folder, "--freeze", "all", "--epochs", "2", "--augment", "light",
               "--learning-rate", "0.5", "--batch-size", "16", "--out", tmp_path / "out")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["epochs"] == 2
    assert "note: --augment light changes no picture here: the head learns on features" in done.out
    assert "note: --learning-rate 0.5 is for epochs that train more than the head" in done.out
    assert "note: --epochs" not in done.out
    again = train_from(tmp_path / "out", epochs=3)
    assert [row["stage"] for row in again.history] == ["head"] * 3


def test_a_model_of_ones_own_goes_on_too(digits_folder: Path, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
         keras.layers.Dense(10, activation="softmax")]
    )  # fmt: skip
    begun = train(model, digits_folder, out=tmp_path / "run", epochs=1)
    result = train_from(tmp_path / "run", epochs=1)
    assert result.history[0]["val_loss"] < begun.history[0]["val_loss"]


def test_what_is_no_run_is_named(first: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no folder of a run; give the folder: --from .*run$"):
        train_from(first.folder / "model.keras")
    with pytest.raises(InputError, match="is no folder of a run; for a file: zoo train MODEL DATA --weights"):
        train_from(tmp_path / "nothing")
    shutil.copytree(first.folder, tmp_path / "run")
    (tmp_path / "run" / "model.keras").unlink()
    with pytest.raises(InputError, match=r"has no model\.keras yet; go on with it first: zoo train --resume"):
        train_from(tmp_path / "run")
    with pytest.raises(OptionError, match="'alpha' is no field of a recipe, and the model's options are those of"):
        train_from(first.folder, alpha=0.5)


def test_the_command_and_where_it_is_named(cli: Cli, first: TrainResult, digits_folder: Path, tmp_path: Path) -> None:
    run = first.folder
    refused = cli("train", "--resume", run, "--epochs", "20")
    assert refused.code == 2
    assert f"zoo train --from {run} --epochs 20" in refused.error
    assert f"--weights {run / 'model.keras'}" in refused.error
    assert f"train it further (--from {run})" in cli("train", "mlp", digits_folder, "--out", run).error
    assert f"zoo train --from {run} --epochs 20" in cli("train", "--resume", run).out
    done = cli("train", "--from", run, "--epochs", "1", "--out", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    assert f"note: begins with the best model of {run}" in done.out
    assert "epoch   1 " in done.out
    assert "epoch   2 " not in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--weights", "none"), "--from takes the model and its weights from .*; leave --weights out"),
        (("--dropout", "0.5"), "leave --dropout out"),
        (("lenet", "data"), "--from trains the model of .*, mlp, not lenet; leave MODEL out"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    cli: Cli, first: TrainResult, words: tuple[str, ...], message: str
) -> None:
    result = cli("train", *words, "--from", first.folder)
    assert result.code == 2
    assert re.search(message, result.error)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--weights", "imagenet"), "--weights"),
        (("--alpha", "0.5", "--out", "x"), "--alpha, --out"),
        (("lenet", "data"), "MODEL, DATA"),
        (("--from", "other"), "--from"),
    ],
)
def test_resume_leaves_nothing_aside_without_a_word(cli: Cli, words: tuple[str, ...], named: str) -> None:
    result = cli("train", *words, "--resume", "run")
    assert result.code == 2
    assert f"--resume takes all from its folder; leave {named} out" in result.error


def test_the_facts_of_the_data_come_first_and_stand_in_the_card(further: tuple[TrainResult, Told], first: Any) -> None:
    result, told = further
    assert told.reports == [result.report]
    assert result.report.used == 120
    card = (result.folder / "README.md").read_text()
    assert "## The data\n| class | train | validation |" in card
    assert f"| all | {len(first.data.sources['train'])} | {len(first.data.sources['validation'])} |" in card
    assert "- 120 of 120 files used" in card
    assert "few files to judge by in validation" in card
