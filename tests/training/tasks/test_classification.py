"""What a training says of a classifier, and what it draws."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from zoo import plots
from zoo.data import Data
from zoo.data.pipeline import Order
from zoo.tasks.confusion import Confusion
from zoo.training.inputs import describe_copies
from zoo.training.recipe import Recipe
from zoo.training.tasks.classification import CLASSIFICATION, ClassificationReport
from zoo.training.tasks.temperature import Temperature

LABELS = np.array([0, 1] * 6)
SCORES = np.where(np.eye(2)[LABELS] > 0, 0.8, 0.2).astype(np.float32)


def data(**values: Any) -> Data:
    source = SimpleNamespace(labels=LABELS, reader=SimpleNamespace(takes_pictures=False))
    return cast("Data", SimpleNamespace(class_names=("ant", "bee"), sources={"validation": source}, **values))


def report(**values: Any) -> ClassificationReport:
    confusion = Confusion.of(("ant", "bee"), LABELS, SCORES.argmax(axis=1))
    return ClassificationReport(data(), "validation", confusion, SCORES, **values)


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({}, ["not calibrated"]),
        ({"raw": SCORES, "temperature": Temperature(why_not="12 validation files are too few")}, ["not calibrated"]),
        ({"raw": SCORES / 2, "temperature": Temperature(1.5, 60)}, ["before calibration", "calibrated"]),
    ],
)
def test_the_plot_of_the_scores_says_whether_they_were_calibrated(
    values: dict[str, Any], lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []
    monkeypatch.setattr(plots, "plot_reliability", lambda bins, _: drawn.append(list(bins)))
    report(**values).plot(tmp_path)
    assert drawn == [lines]


def test_a_model_that_learned_nothing_is_told_first_also_in_an_older_run() -> None:
    metrics = report().as_dict()
    assert CLASSIFICATION.sureness(metrics) == []
    metrics["confusion"] = [[6, 0], [6, 0]]
    (line,) = CLASSIFICATION.sureness(metrics)
    assert line.startswith(
        "Nothing shows that the model tells the classes apart: all 12 answers are 'ant'. Train longer,"
    )


def test_an_epoch_with_copies_is_explained() -> None:
    def told(recipe: Recipe, count: int) -> str:
        order = Order(count, 0, least=recipe.batch_size * recipe.min_batches)
        return describe_copies(cast("Data", SimpleNamespace(sources={"train": range(count)}, order=order)), recipe)

    recipe = Recipe(epochs=2, batch_size=16, min_steps=700)
    assert told(recipe, 40) == (
        "an epoch has 350 steps, in which each of 40 training files comes 140.0 times: the recipe asks for at least "
        "700 steps in all epochs together; --min-steps changes that, and 0 takes each file once"
    )
    assert told(recipe, 5600) == ""
    assert told(recipe.change({"min_steps": 0}), 40) == ""
