"""The result of a training: the best model, evaluated on the held-out files, with metrics and plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from zoo import plots
from zoo.data import Data
from zoo.data import Report as DataFacts
from zoo.errors import OptionError
from zoo.files.writing import atomic
from zoo.inputs.labelled import SplitName
from zoo.text import to_json
from zoo.training.records.checkpoint import TrainState
from zoo.training.tasks import Report, TrainingTask, task_named

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

METRICS = "metrics.json"
SETTINGS = "settings"
"""The metrics' field with what a file of the model is to use unless told otherwise, by its card's fields."""
CURVES = "curves.png"


@dataclass(frozen=True)
class TrainResult:
    """The result of a training."""

    folder: Path
    model: keras.Model
    """The best model of the training."""
    data: Data
    task: str
    """The name of the task that the model was trained for."""
    score: float
    """The task's monitored metric on the test files, or on the validation files if there are none."""
    metrics: dict[str, Any]
    """The metrics, as in `metrics.json`."""
    history: list[dict[str, Any]]
    """One row for each epoch; figures under `val_NAME` only where files are held out for validation."""
    began_with: str = ""
    """The weights that the training began with: `none` for random ones, a name of published ones, or a file's name."""
    notes: tuple[str, ...] = ()
    """What the user should know of the result, one line each, such as that it began from random weights."""
    chief: bool = True
    """Whether this process wrote the folder; of several workers, only the first one does."""

    @property
    def report(self) -> DataFacts:
        """The report on the data: counts, what was left out and why, and what looks wrong."""
        return self.data.report

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy of a classifier, on the same files as `score`.

        Raises:
            OptionError: the model was trained for another task.
        """
        return self._score_of("accuracy")

    @property
    def map(self) -> float:
        """COCO's mAP of a detector, on the same files as `score`.

        Raises:
            OptionError: the model was trained for another task.
        """
        return self._score_of("map")

    def _score_of(self, name: str) -> float:
        monitor = task_named(self.task).monitor
        if name != monitor:
            raise OptionError(f"a run for {self.task} has no {name}; its score is its {monitor}")
        return self.score


def evaluated_split(data: Data) -> SplitName:
    """Returns the best available split for an evaluation: test, else validation, else training."""
    splits: tuple[SplitName, ...] = ("test", "validation", "train")
    return next(name for name in splits if len(data.sources[name]))


def predict(model: keras.Model, data: Data, split: SplitName) -> Any:
    """Returns a model's outputs for the files of a split: an array `(count, ...)`, or a list of several."""
    from zoo.data.pipeline import make_dataset

    return model.predict(make_dataset(data.sources[split], 32).map(lambda examples, _: examples), verbose=0)


def write_report(
    folder: Path,
    task: TrainingTask,
    state: TrainState,
    history: Sequence[dict[str, Any]],
    report: Report,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes `metrics.json` and the plots, and returns the metrics.

    Args:
        folder: the run's folder.
        task: the task.
        state: the progress of the training, at its end.
        history: its rows as `zoo.training.records.history.told` returns them.
        report: what the best model is worth.
        settings: what the task keeps of the model.

    Raises:
        OutputError: a file cannot be written.
    """
    metrics = {
        "epochs": state.epochs_done,
        "best_epoch": state.best_epoch,
        "seconds": round(sum(row["seconds"] for row in state.history), 3),
        **report.as_dict(),
        SETTINGS: dict(settings),
    }
    text = to_json(metrics, indent=1)
    with atomic(folder / METRICS) as scratch:
        scratch.write_text(text + "\n", encoding="utf-8")
    plots.plot_curves(history, state.best_epoch, folder / CURVES, ("loss", *task.metrics, *task.judged))
    report.plot(folder)
    written: dict[str, Any] = json.loads(text)
    return written
