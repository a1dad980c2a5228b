"""The model of a run, or of a file, is pruned into a new run, which every later step takes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.compress.prune.pruning import Pruned
from zoo.errors import InputError, OptionError
from zoo.summary.table import summarize
from zoo.training import TrainResult, resume, train, train_from
from zoo.training.pruned import finetuning, prune_model, prune_run
from zoo.training.recipe import Recipe, read_toml
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

KEEP = 0.7


@pytest.fixture(scope="module")
def first(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A LeNet after four epochs, whose recipe keeps a layer frozen."""
    out = tmp_path_factory.mktemp("pruned") / "run"
    return train("lenet", digits_folder, out=out, epochs=4, seed=5, patience=0, freeze="rescale")


@pytest.fixture(scope="module")
def as_it_is(first: TrainResult) -> tuple[TrainResult, Pruned]:
    return prune_run(first.folder, KEEP, out=first.folder.with_name("small"))


@pytest.fixture(scope="module")
def trained(first: TrainResult) -> tuple[TrainResult, Pruned]:
    return prune_run(first.folder, KEEP, finetune=True)


def test_the_new_run_holds_the_smaller_model_and_what_it_is_worth(
    first: TrainResult, as_it_is: tuple[TrainResult, Pruned]
) -> None:
    result, pruned = as_it_is
    model = load_model(result.folder / "model.keras")
    assert model.name == "lenet_keep70"
    assert summarize(model).macs == pruned.macs[1] <= KEEP * summarize(first.model).macs
    assert result.history == []
    assert json.loads((result.folder / "metrics.json").read_text())["accuracy"] == result.accuracy > 0.2
    assert result.notes == (f"before it was pruned, the model of run had {first.accuracy:.1%}",)
    assert (result.folder / "labels.txt").read_text() == (first.folder / "labels.txt").read_text()
    for split in ("train", "validation"):
        assert result.data.sources[split].paths == first.data.sources[split].paths


def test_recipe_and_card_say_what_was_pruned_from_what(
    first: TrainResult, as_it_is: tuple[TrainResult, Pruned]
) -> None:
    result, pruned = as_it_is
    run, own = read_toml(result.folder / "recipe.toml"), read_toml(first.folder / "recipe.toml")
    assert run["recipe"] == own["recipe"] | {"epochs": 2, "freeze": "none"}
    assert (run["model"]["from"], run["model"]["trained"]) == ("run", False)
    said = (
        f"pruned from lenet: {pruned.macs[1]:,} of {pruned.macs[0]:,} multiply-accumulates are left "
        f"({pruned.share:.1%}), and {pruned.params[1]:,} of {pruned.params[0]:,} parameters"
    )
    card = (result.folder / "README.md").read_text()
    assert run["model"]["about_pruning"].startswith(said)
    assert f"- {said}" in card
    assert "- not trained in this run" in card
    assert "those of the best model of run" in card


def test_it_is_finished_and_can_be_evaluated_again(as_it_is: tuple[TrainResult, Pruned]) -> None:
    again = resume(as_it_is[0].folder)
    assert again.history == []
    assert again.accuracy == as_it_is[0].accuracy


def test_training_goes_on_from_it_and_the_card_still_says_so(as_it_is: tuple[TrainResult, Pruned]) -> None:
    result = train_from(as_it_is[0].folder, epochs=1)
    assert [row["stage"] for row in result.history] == ["whole"]
    assert summarize(result.model).macs == as_it_is[1].macs[1]
    assert "- pruned from lenet: " in (result.folder / "README.md").read_text()
    assert "trained" not in read_toml(result.folder / "recipe.toml")["model"]


def test_finetuning_takes_half_of_the_epochs_and_gets_back_what_was_lost(
    first: TrainResult, as_it_is: tuple[TrainResult, Pruned], trained: tuple[TrainResult, Pruned]
) -> None:
    result, pruned = trained
    assert result.folder == first.folder.with_name("run-2")
    assert len(result.history) == 2
    assert [vars(width) for width in pruned.widths] == [vars(width) for width in as_it_is[1].widths]
    assert result.accuracy > as_it_is[0].accuracy
    assert result.notes == (f"before it was pruned, the model of run had {first.accuracy:.1%}",)
    assert load_model(result.folder / "model.keras").count_params() == pruned.params[1]


def test_steps_shrink_with_the_epochs() -> None:
    recipe = Recipe(epochs=20, min_steps=700, freeze="all", mixed_precision=True)
    assert finetuning(recipe) == Recipe(epochs=10, min_steps=350)
    assert finetuning(recipe, 5) == Recipe(epochs=5, min_steps=175)
    assert finetuning(Recipe(epochs=0, head_epochs=9)).epochs == 5


def test_a_finetuning_that_was_stopped_goes_on(trained: tuple[TrainResult, Pruned], tmp_path: Path) -> None:
    shutil.copytree(trained[0].folder, tmp_path / "run")
    (tmp_path / "run" / "model.keras").unlink()
    (tmp_path / "run" / "state.npz").unlink()
    with pytest.raises(InputError, match="was stopped before anything was saved"):
        resume(tmp_path / "run")
    assert resume(trained[0].folder).accuracy == trained[0].accuracy


def test_files_of_a_pruned_run_say_it_in_their_card(trained: tuple[TrainResult, Pruned]) -> None:
    from zoo.export import export_run
    from zoo.tflite.card import describe

    export_run(trained[0], ["int8"])
    card = describe(trained[0].folder / "lenet_keep70_int8.tflite").card
    assert card["pruning"].startswith("pruned from lenet: ")


def test_other_classes_are_refused(first: TrainResult, digits_folder: Path, tmp_path: Path) -> None:
    for digit in "147":
        shutil.copytree(digits_folder / digit, tmp_path / "data" / digit)
    with pytest.raises(
        InputError, match=r"the model of run names 0, 1, .*, and the data have 1, 4, 7; prune it on its"
    ):
        prune_run(first.folder, KEEP, tmp_path / "data")
    with pytest.raises(OptionError, match=r"gives \(10,\), the data have 3 classes"):
        prune_model(first.model, KEEP, tmp_path / "data")
    assert not first.folder.with_name("run-3").exists()


def test_a_file_is_pruned_with_data_and_refused_without(first: TrainResult, digits_folder: Path) -> None:
    with pytest.raises(InputError, match=r"model\.keras is a file, which does not say what to train on"):
        prune_run(first.folder / "model.keras", KEEP)
    pruned = prune_model(first.model, KEEP, digits_folder)
    assert pruned.share <= KEEP
    inputs = np.zeros((1, 28, 28, 1))
    assert pruned.model(inputs).shape == (1, 10)


def test_the_commands(cli: Cli, first: TrainResult, digits_folder: Path, tmp_path: Path) -> None:
    done = cli("prune", first.folder, "--keep", str(KEEP), "--out", tmp_path / "small")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^conv2 +16 +8 +50%$", done.out, re.MULTILINE)
    assert "not trained in this run" in done.out
    assert f"note: before it was pruned, the model of run had {first.accuracy:.1%}" in done.out
    shown = cli("info", tmp_path / "small")
    assert (shown.code, shown.err) == (0, "")
    assert re.search(r"^conv2 +Conv2D +\S+x8 ", shown.out, re.MULTILINE)
    assert "pruned from lenet: " in shown.out
    found = json.loads(cli("prune", first.folder / "model.keras", digits_folder, "--keep", str(KEEP), "--json").out)
    assert Path(found["file"]) == first.folder / "model_keep70.keras"
    assert found["macs"]["after"] <= KEEP * found["macs"]["before"]
    table: dict[str, Any] = json.loads(cli("info", found["file"], "--json").out)
    assert table["macs"] == found["macs"]["after"]
    file = first.folder / "model.keras"
    shown = cli("prune", file, digits_folder, "--keep", str(KEEP), "--out", tmp_path / "again.keras")
    assert f"Next: zoo prune {file} {digits_folder} --keep {KEEP:g} --finetune\n" in shown.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--keep", "0"), 2, "Invalid value for '--keep': 0.0 is not in the range 0<x<=1"),
        (("--keep", "0.5", "--epochs", "3"), 2, "--epochs is for --finetune; give that, too"),
        (("--keep", "0.2"), 1, "--keep 0.2 is less than can be kept: "),
        (("--keep", "0.7", "--score", "gamma"), 1, "--score gamma is not for lenet: no batch normalization"),
    ],
)
def test_errors_of_a_run_are_one_line(
    cli: Cli, first: TrainResult, words: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    result = cli("prune", first.folder, *words, "--out", tmp_path / "out")
    assert result.code == code
    assert result.error.startswith(message)
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_run_is_not_named_as_a_file(
    cli: Cli, first: TrainResult, digits_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "q.keras"
    for words in ((first.folder,), (first.folder / "model.keras", digits_folder, "--finetune")):
        result = cli("prune", *words, "--keep", "0.8", "--out", out)
        assert (result.code, result.out) == (1, "")
        assert result.error == f"--out {out} is to be the folder of a run; give a name that does not end in .keras"
        assert not out.exists()


def test_errors_of_a_file_are_one_line(cli: Cli, first: TrainResult, tmp_path: Path) -> None:
    file = first.folder / "model.keras"
    assert "--score gamma is not for lenet" in cli("prune", file, "--keep", "0.7").error
    wrong = cli("prune", file, "--keep", "0.7", "--out", tmp_path / "small.h5")
    assert "small.h5 does not end in .keras; name the pruned model so" in wrong.error
    assert "is a file that is read" in cli("prune", file, "--keep", "0.7", "--out", file).error
    assert "no model file" in cli("prune", tmp_path / "none.keras", "--keep", "0.7").error
    blind = cli("prune", file, "--keep", "0.7", "--score", "taylor")
    assert blind.error.startswith("--score taylor tries the channels on pictures; name their folder behind MODEL")
    assert "is no folder of a run" in cli("prune", tmp_path, "--keep", "0.7").error
    assert cli("info", file, "--alpha", "0.5").error.startswith("--alpha is for a model by name, not for a file")
