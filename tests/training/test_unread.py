"""What a user gave and a training does not read is told."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from tests.training.scenes import draw_scenes
from zoo.data import load
from zoo.data.boxes.loading import load_boxes
from zoo.errors import OptionError
from zoo.training import train
from zoo.training.recipe import Recipe, field_types
from zoo.training.stages import Stage
from zoo.training.tasks import TrainingTask
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.tasks.detection import DETECTION_TRAINING
from zoo.training.unread import AS_GIVEN, Kind, given_in, on_unread
from zoo.training.watch import NullWatch

if TYPE_CHECKING:
    from tests.conftest import Cli


class Notes(NullWatch):
    """A watch that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


HEAD = Stage("head", 2, 0.1, "all", "none", frozen_norms=True, cached_features=True)
WHOLE = Stage("whole", 2, 0.1, "none", "light", frozen_norms=True)
INT8 = Stage("int8", 2, 0.1, "none", "light", frozen_norms=True)


def unread(
    *stages: Stage,
    task: TrainingTask = CLASSIFICATION,
    teacher: float | None = None,
    pictures: bool = True,
    split_by: str = "20% of each class",
    adapts: bool = False,
    **values: Any,
) -> list[str]:
    """Returns the names of the fields that are told of, of those that are given."""
    data = SimpleNamespace(
        sources={"train": SimpleNamespace(reader=SimpleNamespace(takes_pictures=pictures))},
        report=SimpleNamespace(split_by=split_by),
    )
    objective = SimpleNamespace(teaching=None if teacher is None else SimpleNamespace(weight=teacher))
    setup = SimpleNamespace(
        stages=stages, task=task, objective=objective, data=data, recipe=Recipe().change(values), model=None
    )
    notes = on_unread(Kind(cast("Any", setup), adapts), frozenset(values))
    return [note.split()[0].removeprefix("--").removeprefix("no-") for note in notes]


CHANGES: dict[str, Any] = {
    "head_epochs": 5, "head_learning_rate": 9.0, "anchors": "paper", "body_rate": 0.1, "label_smoothing": 0.5,
    "balance": False, "validation": 0.5, "augment": "light", "warmup_epochs": 7, "epochs": 5, "learning_rate": 0.5,
}  # fmt: skip


def test_a_training_in_both_stages_reads_all_but_anchors() -> None:
    assert unread(HEAD, WHOLE, **CHANGES) == ["anchors"]
    assert unread(HEAD, WHOLE, **CHANGES, task=DETECTION_TRAINING, adapts=True) == ["label-smoothing", "balance"]


@pytest.mark.parametrize(
    ("expected", "kind"),
    [
        (["head-epochs", "head-learning-rate", "anchors"], {}),
        (["head-epochs", "head-learning-rate", "anchors", "validation"], {"split_by": AS_GIVEN}),
        (["head-epochs", "head-learning-rate", "augment", "anchors"], {"pictures": False}),
        (["head-epochs", "head-learning-rate", "anchors", "label-smoothing"], {"teacher": 1.0}),
        (["head-epochs", "head-learning-rate", "anchors", "warmup-epochs"], {"schedule": "constant"}),
        (["head-epochs", "head-learning-rate", "anchors", "label-smoothing", "balance"], {"task": DETECTION_TRAINING}),
    ],
)
def test_what_a_training_of_the_whole_model_does_not_read(expected: list[str], kind: dict[str, Any]) -> None:
    assert unread(WHOLE, **CHANGES, **kind) == expected


def test_a_training_of_the_head_alone_and_one_for_int8() -> None:
    assert unread(HEAD, **CHANGES, freeze="all") == ["epochs", "learning-rate", "body-rate", "augment", "anchors"]
    expected = ["head-epochs", "head-learning-rate", "body-rate", "anchors", "label-smoothing"]
    assert unread(INT8, **CHANGES, teacher=1.0) == expected


def test_values_of_a_teacher() -> None:
    values: dict[str, Any] = {"teacher_weight": 0.3, "temperature": 9.0}
    assert unread(WHOLE, **values) == ["teacher-weight", "temperature"]
    assert unread(WHOLE, **values, teacher=0.3) == []
    assert unread(WHOLE, **values | {"teacher_weight": 0.0}, teacher=0.0) == ["temperature", "the"]


def test_what_asks_for_nothing_is_not_told_and_nothing_where_nothing_is_trained() -> None:
    assert unread(WHOLE, head_epochs=0, augment="none", body_rate=1.0, pictures=False) == []
    assert unread(**CHANGES) == []


def test_only_what_differs_in_a_recipe_of_all_fields_was_given() -> None:
    base = Recipe(epochs=9)
    every = {name: getattr(base, name) for name in field_types()}
    assert given_in(base, every, {}) == frozenset()
    assert given_in(base, every | {"epochs": 8}, {"seed": 0}) == {"epochs", "seed"}
    assert given_in(base, Recipe(), {"patience": 3}) == {"patience"}


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_layer_of_the_head_cannot_be_frozen(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match="freeze='logits' is in the head of lenet, which always learns; .* before log"
    ):
        train("lenet", pictures, out=tmp_path / "run", epochs=1, freeze="logits")
    assert not (tmp_path / "run").exists()
    assert train("lenet", pictures, out=tmp_path / "run", epochs=1, freeze="fc4").folder.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_command_tells_it_before_the_first_epoch(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("anchors = 'fitted'\nlabel_smoothing = 0.1\nwarmup_epochs = 7\n")
    done = cli("train", "lenet", pictures, "--epochs", "1", "--head-epochs", "5", "--schedule", "constant",
               "--recipe", tmp_path / "recipe.toml", "--out", tmp_path / "run")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    before = done.out.partition("epoch   1 ")[0]
    assert "note: --head-epochs 5 is for a new head on weights that know something; this run trains none by " in before
    assert "note: --warmup-epochs 7 is for --schedule cosine; this run has another one\n" in before
    assert "--anchors" not in before
    assert "--label-smoothing" not in before
    again = cli("train", "--resume", tmp_path / "run", "--strategy", "mirrored")
    assert "note: --strategy mirrored is for a training, and changes nothing here\n" in again.out
    assert "--strategy" not in cli("train", "--resume", tmp_path / "run").out


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_vectors_are_no_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("low", "high"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(8):
            np.save(tmp_path / "data" / name / f"{i}.npy", rng.random(4).astype(np.float32) + (name == "high"))
    told = Notes()
    values: dict[str, Any] = {"augment": "light", "resize": "pad", "epochs": 1}
    train("mlp", tmp_path / "data", features=4, out=tmp_path / "run", watch=told, **values)
    assert [note for note in told.notes if note.endswith("is for pictures; these data are none")] == [
        "--augment light is for pictures; these data are none",
        "--resize pad is for pictures; these data are none",
    ]


@pytest.mark.slow
def test_reports_of_both_tasks_say_that_data_are_split_already(pictures: Path, tmp_path: Path) -> None:
    for digit in "01":
        for i, path in enumerate(sorted((pictures / digit).iterdir())):
            place = tmp_path / "data" / ("val" if i % 4 == 0 else "train") / digit
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    classes, boxes = (
        load(tmp_path / "data", (28, 28, 1)),
        load_boxes(draw_scenes(tmp_path / "scenes", 8), (32, 32, 3)),
    )
    assert [one.report.as_dict()["split_by"] for one in (classes, boxes)] == [AS_GIVEN] * 2
