"""A run's model is trained for int8: `train_quantized` and `zoo train --from RUN --quantize-aware`."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.compress.baking import is_quantization_aware
from zoo.errors import CompressionError, InputError, OptionError, TrainingStopped
from zoo.tflite import modelfile
from zoo.training import TrainResult, resume, train, train_from, train_quantized
from zoo.training.quantized import for_int8
from zoo.training.recipe import Recipe, read_toml
from zoo.training.watch import NullWatch
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK: dict[str, Any] = {"epochs": 3, "batch_size": 32, "augment": "none", "warmup_epochs": 0}


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Leaves the figures of all runs empty, those of the fixtures, too: no test looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.plots.save", lambda _, path: path.touch())
        yield


@pytest.fixture(scope="module")
def first(undrawn: None, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    out = tmp_path_factory.mktemp("float") / "run"
    return train("lenet", digits_folder, out=out, epochs=8, augment="none", batch_size=16, patience=0)


@pytest.fixture(scope="module")
def quantized(first: TrainResult) -> TrainResult:
    return train_quantized(first.folder, weight_bits=4, **QUICK)


class Stopping(NullWatch):
    """A watch that stops the training after a batch of an epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = (epoch, batch)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        if (epoch, batch) == self.at:
            signal.raise_signal(signal.SIGTERM)


def test_the_recipe_is_that_of_the_run_with_fewer_epochs_and_a_lower_rate() -> None:
    found = for_int8(Recipe(epochs=40, learning_rate=2e-3, freeze="conv1", augment="light"))
    assert (found.epochs, found.learning_rate, found.freeze, found.augment) == (10, 5e-4, "none", "light")
    # The teacher alone counts, and its very answers.
    assert (found.teacher_weight, found.temperature) == (1, 1)
    assert for_int8(Recipe(epochs=0, head_epochs=4)).epochs == 3


@pytest.mark.slow
def test_the_run_says_what_it_was_trained_for_and_learns_from_the_float_model(
    first: TrainResult, quantized: TrainResult
) -> None:
    assert quantized.folder == first.folder.with_name("run-2")
    assert [row["stage"] for row in quantized.history] == ["ranges", "int8", "int8"]
    # The loss is the distance from the float model, which is small from the start.
    assert quantized.history[0]["loss"] < 0.5
    run = read_toml(quantized.folder / "recipe.toml")
    assert run["model"]["quantization_aware"] == {"weight_bits": 4, "per_tensor": False}
    assert (run["model"]["name"], run["model"]["from"]) == ("lenet", "run")
    assert run["teacher"]["sha256"]
    assert json.loads((quantized.folder / "metrics.json").read_text())["best_epoch"] in {2, 3}
    card = (quantized.folder / "README.md").read_text()
    assert "trained for int8 (quantization-aware): weights of 4 bits, one scale a channel" in card
    assert quantized.notes[-1].startswith("computing as its int8 file does, it has ")


@pytest.mark.slow
def test_the_model_of_the_folder_loads_and_is_the_one_of_the_result(quantized: TrainResult) -> None:
    loaded = load_model(quantized.folder / "model.keras")
    assert is_quantization_aware(loaded)
    for one, other in zip(loaded.get_weights(), quantized.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_its_file_needs_no_calibration(quantized: TrainResult, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "digits.tflite"
    done = cli(
        "export", quantized.folder / "model.keras", "--quantize", "int8", "--out", tmp_path, "--min-agreement", "0"
    )
    assert done.code == 0, done.error
    (out,) = tmp_path.glob("*.tflite")
    assert not [tensor for tensor in modelfile.read(out).main.tensors if tensor.dtype == "FLOAT32"]


@pytest.mark.slow
def test_a_training_that_was_stopped_in_each_stage_ends_as_one_that_was_not(
    first: TrainResult, quantized: TrainResult, tmp_path: Path
) -> None:
    with pytest.raises(TrainingStopped, match="stopped after epoch 1;"):
        train_quantized(first.folder, out=tmp_path / "run", weight_bits=4, watch=Stopping(1, 2), **QUICK)
    with pytest.raises(TrainingStopped, match="stopped in epoch 2 after batch 2 "):
        resume(tmp_path / "run", watch=Stopping(2, 1))
    result = resume(tmp_path / "run")
    for one, other in zip(result.model.get_weights(), quantized.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert [row["stage"] for row in result.history] == [row["stage"] for row in quantized.history]
    assert result.accuracy == pytest.approx(quantized.accuracy, abs=0.02)


@pytest.mark.slow
def test_such_a_run_is_trained_further_and_is_not_made_ready_twice(quantized: TrainResult, tmp_path: Path) -> None:
    result = train_from(quantized.folder, out=tmp_path / "more", epochs=1)
    assert [row["stage"] for row in result.history] == ["int8"]
    assert is_quantization_aware(result.model)
    with pytest.raises(CompressionError, match="is being trained for int8 already"):
        train_quantized(quantized.folder, out=tmp_path / "again")


@pytest.mark.slow
def test_what_cannot_be_trained_is_found_before_anything_is_written(
    first: TrainResult, digits_folder: Path, tmp_path: Path
) -> None:
    for digit in "12":
        shutil.copytree(digits_folder / digit, tmp_path / "two" / digit)
    with pytest.raises(InputError, match="the model of run names 0, 1, 2"):
        train_quantized(first.folder, tmp_path / "two", out=tmp_path / "out")
    with pytest.raises(OptionError, match="weight_bits=1 is not allowed"):
        train_quantized(first.folder, weight_bits=1, out=tmp_path / "out")
    with pytest.raises(OptionError, match="mixed_precision=True is not for a training for int8"):
        train_quantized(first.folder, mixed_precision=True, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["lenet", "data", "--quantize-aware"], "give --from RUN_DIR"),
        (["--from", "run", "--weight-bits", "4"], "--weight-bits is for a training for int8; give --quantize-aware"),
        (["--from", "run", "--per-tensor"], "--per-tensor is for a training for int8; give --quantize-aware"),
        (["--from", "run", "--quantize-aware", "--strategy", "mirrored"], "trains on one device"),
        (["--from", "run", "--quantize-aware", "--weight-bits", "3"], "'3' is not one of '8', '4'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: list[str], error: str, cli: Cli) -> None:
    done = cli("train", *words)
    assert done.code == 2
    assert error in done.error


class Listening(NullWatch):
    """A watch that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def loose(digits_folder: Path, tmp_path: Path) -> Path:
    """A folder of pictures of digits without class folders, and one file that is none."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for number, path in enumerate(sorted(digits_folder.rglob("*.png"))):
        shutil.copy(path, folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.mark.slow
def test_pictures_without_classes_are_named_by_the_model(first: TrainResult, loose: Path, tmp_path: Path) -> None:
    watch = Listening()
    result = train_quantized(first.folder, loose, out=tmp_path / "run", watch=watch, **QUICK)
    table = tmp_path / "run-answers.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(list(loose.iterdir())) - 1
    assert {row["label"] for row in rows} == set(first.data.class_names)
    (note,) = (note for note in watch.notes if "without a class" in note)
    assert "1 file cannot be read" in note
    assert str(table) in note
    # Their names are the float model's answers, so this is the share of the same answers.
    assert result.score > 0.8


@pytest.mark.slow
def test_pictures_in_which_the_model_sees_too_few_classes_are_refused(
    first: TrainResult, loose: Path, tmp_path: Path
) -> None:
    for path in sorted(loose.iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match=r"the model sees no .* in 1 picture without a class"):
        train_quantized(first.folder, loose, out=tmp_path / "run", **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["loose"]
