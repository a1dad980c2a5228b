"""Evaluates a trained model on the held-out files, in metrics and plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo import plots
from zoo.data import Data
from zoo.files import atomic
from zoo.inputs.labelled import SplitName
from zoo.tasks.confusion import Confusion
from zoo.text import to_json
from zoo.training.state import Place

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]
MISTAKES_SHOWN = 25


@dataclass(frozen=True)
class Figures:
    """The metrics of a model on one split."""

    split: SplitName
    confusion: Confusion
    scores: Array
    """Scores of shape `(count, classes)`."""

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy: the share of files classified correctly."""
        return self.confusion.accuracy

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the scores."""
        return {
            "split": self.split,
            "count": self.confusion.count,
            "accuracy": self.confusion.accuracy,
            "balanced_accuracy": self.confusion.balanced_accuracy,
            "classes": [vars(figures) for figures in self.confusion.classes()],
            "confusion": self.confusion.counts.tolist(),
        }


def judged_split(data: Data) -> SplitName:
    """Returns the best available split for an evaluation: test, else validation, else training."""
    splits: tuple[SplitName, ...] = ("test", "validation", "train")
    return next(name for name in splits if len(data.sources[name]))


def predict(model: keras.Model, data: Data, split: SplitName) -> Array:
    """Returns a model's scores for the files of a split: `(count, classes)`."""
    from zoo.data.pipeline import make_dataset

    return np.asarray(model.predict(make_dataset(data.sources[split], 32).map(lambda examples, _: examples), verbose=0))


def measure(scores: Array, data: Data, split: SplitName) -> Figures:
    """Computes the metrics of scores, `(count, classes)`, for the files of a split."""
    confusion = Confusion.of(data.class_names, data.sources[split].labels, scores.argmax(axis=1))
    return Figures(split, confusion, scores.astype(np.float32))


def write_figures(folder: Path, data: Data, place: Place, figures: Figures) -> None:
    """Writes `metrics.json` and the plots."""
    metrics = {
        "epochs": place.epochs_done,
        "best_epoch": place.best_epoch,
        "seconds": round(sum(row["seconds"] for row in place.history), 3),
        **figures.as_dict(),
    }
    with atomic(folder / "metrics.json") as scratch:
        scratch.write_text(to_json(metrics, indent=1) + "\n", encoding="utf-8")
    plots.plot_curves(place.history, place.best_epoch, folder / "curves.png")
    plots.plot_confusion(figures.confusion.counts, data.class_names, folder / "confusion.png")
    if len(next(iter(data.sources.values())).reader.shape) == 3:
        _plot_mistakes(folder, data, figures)


def _plot_mistakes(folder: Path, data: Data, figures: Figures) -> None:
    """Plots the worst mistakes: those where the score of the wrong class is highest."""
    source = data.sources[figures.split]
    rows = np.arange(len(source))
    named = figures.scores.argmax(axis=1)
    margin = figures.scores[rows, named] - figures.scores[rows, source.labels]
    worst = [int(i) for i in np.argsort(-margin, kind="stable") if named[i] != source.labels[i]][:MISTAKES_SHOWN]
    names = [plots.caption(name) for name in data.class_names]
    captions = [f"{names[source.labels[i]]}\nnamed {names[named[i]]}, {figures.scores[i, named[i]]:.0%}" for i in worst]
    pictures = source.fetch(np.array(worst, np.int64)) if worst else np.empty((0, 1, 1, 3), np.uint8)
    plots.plot_pictures(pictures, captions, folder / "mistakes.png", "the worst misses" if worst else "no misses")
