"""The weights that a training begins with, and what is said of them first, last and in the cards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
import zoo.plugins
from zoo.errors import listed
from zoo.export import export_run
from zoo.models import models_by_weights
from zoo.runner import Classifier
from zoo.training import train
from zoo.training.watch import NullWatch

if TYPE_CHECKING:
    from tests.conftest import Cli

NET = Path(__file__).parents[1] / "weights" / "programs" / "net.py"
QUICK: dict[str, Any] = {"epochs": 1, "head_epochs": 2, "batch_size": 8}
FEW = "18 pictures are few to start from nothing: in a trial with 188 photos of 5 classes about 60% were classified"


class Notes(NullWatch):
    """A watch that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve small pictures: red ones and blue ones, under noise."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, colour in {"blue": (40, 40, 200), "red": (200, 40, 40)}.items():
        (folder / name).mkdir()
        for i in range(12):
            pixels = np.array(colour) + rng.integers(-40, 40, (16, 16, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def published(own_registry: None, monkeypatch: pytest.MonkeyPatch, randomize: Any, tmp_path: Path) -> Callable[[], Any]:
    """Registers the model `net`, whose published file is not there; a function that writes it and returns its model."""
    monkeypatch.setattr(zoo.plugins, "_loaded", {})
    program = NET.read_text(encoding="utf-8").replace("] = ()\n", '] = (WeightsFile("digits.keras"),)\n', 1)
    (tmp_path / "net.py").write_text(program, encoding="utf-8")
    zoo.load_models(tmp_path / "net.py")

    def write() -> Any:
        model = randomize(zoo.build("net", num_classes=10))
        model.save(tmp_path / "digits.keras")
        return model

    return write


@pytest.mark.slow
def test_published_weights_are_taken_without_being_asked_for(
    published: Callable[[], Any], photos: Path, tmp_path: Path
) -> None:
    model, watch = published(), Notes()
    result = train("net", photos, out=tmp_path / "run", freeze="all", watch=watch, **QUICK)
    assert (result.began_with, result.notes) == ("digits", ())
    # The recipe of weights that know something: the head alone first, on what is kept as it is.
    assert [row["stage"] for row in result.history] == ["head"] * 2
    np.testing.assert_array_equal(result.model.get_layer("conv").kernel, model.get_layer("conv").kernel)
    assert "the weights are the published ones, --weights digits" in watch.notes[0]
    assert "- weights it began with: digits: the weights are the published ones" in (
        tmp_path / "run" / "README.md"
    ).read_text(encoding="utf-8")


@pytest.mark.slow
def test_random_weights_are_told_first_last_and_in_both_cards(
    published: Callable[[], Any], photos: Path, tmp_path: Path
) -> None:
    watch = Notes()
    result = train("net", photos, out=tmp_path / "run", watch=watch, **QUICK)
    assert result.began_with == "none"
    assert [row["stage"] for row in result.history] == ["whole"]
    why = "those trained on ten digits are published for these options, but could not be had"
    assert f"RANDOM at the beginning: {why} (there is no file {tmp_path / 'digits.keras'}); {FEW}" in watch.notes[0]
    assert f"RANDOM at the beginning: {why}; {FEW}" in result.notes[0]
    assert str(tmp_path) not in result.notes[0]
    assert result.notes[0].endswith("give --weights digits where there is a network, or put the file in its place")
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert f"- weights it began with: none: the weights are RANDOM at the beginning: {why}" in card
    (_, row) = export_run(result, ["none"])
    assert Classifier(result.folder / row["file"]).card["began_with"] == "none"


@pytest.mark.slow
@pytest.mark.usefixtures("published")
def test_who_asks_for_random_weights_is_told_what_they_cost(photos: Path, tmp_path: Path) -> None:
    result = train("net", photos, out=tmp_path / "run", weights="none", **QUICK)
    assert f"RANDOM at the beginning: as asked for; {FEW}" in result.notes[0]
    assert result.notes[0].endswith("give --weights digits")


@pytest.mark.slow
def test_an_epoch_that_takes_files_again_is_explained(photos: Path, tmp_path: Path) -> None:
    watch = Notes()
    train("lenet", photos, channels=3, out=tmp_path / "run", weights="none", watch=watch, epochs=1, min_steps=4)
    assert any(note.startswith("an epoch has 4 steps, in which each of ") for note in watch.notes)


@pytest.mark.slow
def test_the_command_says_it_before_and_behind(cli: Cli, photos: Path, tmp_path: Path) -> None:
    done = cli("train", "lenet", photos, "--channels", "3", "--epochs", "1", "--out", tmp_path / "run")
    assert (done.code, done.err) == (0, "")
    before, _, behind = done.out.partition("epoch   1 ")
    for text in (before, behind):
        assert f"note: the weights are RANDOM at the beginning: none are published for lenet; {FEW}" in text
        having = listed(models_by_weights("classification")["imagenet"])
        assert f"{having} can begin with --weights imagenet" in text
    assert before.startswith(f"data: {photos}, 24 of 24 files used\nclass  train  validation\n")
    assert "best epoch 1 of 1 by accuracy on the validation files, " in behind
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "the best was number 1 (by accuracy on the validation files)" in card
    again = cli("train", "--resume", tmp_path / "run")
    assert again.code == 0
    assert "RANDOM" not in again.out
    assert FEW in json.loads(cli("train", "--resume", tmp_path / "run", "--json").out)["notes"][0]


@pytest.mark.slow
def test_gray_pictures_need_no_photos_weights(cli: Cli, photos: Path, tmp_path: Path) -> None:
    done = cli("train", "lenet", photos, "--epochs", "1", "--out", tmp_path / "run")
    assert "note: the weights are RANDOM at the beginning: none are published for lenet\n" in done.out
