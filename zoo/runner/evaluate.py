"""Accuracy of a `.tflite` file on pictures whose class is known, and of two files on the same pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError
from zoo.inputs.labelled import Labelled
from zoo.runner.classifier import Classifier, Prediction

Z95 = 1.959964
"""The 97.5% quantile of the normal distribution."""


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares; None where the figure has no denominator."""

    label: str
    count: int
    """Pictures of it."""
    precision: float | None
    """Of the pictures given this name, the share that are of it."""
    recall: float | None
    """Of the pictures of it, the share given this name."""


@dataclass(frozen=True)
class Mistake:
    """A picture that was given a wrong name."""

    path: Path
    truth: str
    named: Prediction
    """What it was taken for."""
    truth_score: float
    """Of the right class."""


@dataclass(frozen=True)
class Evaluation:
    """What came of one file."""

    labels: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    """`(classes, classes)`: pictures by true class (row) and name given (column)."""
    in_best_five: int
    """Pictures whose true class is among the five best."""
    named: dict[Path, int]
    """Of each picture, the index of the class it was given."""
    mistakes: list[Mistake]
    """The surest first."""
    unreadable: list[InputError]

    @property
    def count(self) -> int:
        """Pictures that could be read."""
        return int(self.confusion.sum())

    @property
    def top1(self) -> float:
        """Share of pictures given their right name."""
        return float(np.trace(self.confusion) / self.count)

    @property
    def top5(self) -> float:
        """Share of pictures whose right name is among the five best."""
        return self.in_best_five / self.count

    def classes(self) -> list[ClassFigures]:
        """Figures of each class that has pictures or was given as a name."""
        right, truth, named = self.confusion.diagonal(), self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return [
            ClassFigures(
                self.labels[i],
                int(truth[i]),
                float(right[i] / named[i]) if named[i] else None,
                float(right[i] / truth[i]) if truth[i] else None,
            )
            for i in range(len(self.labels))
            if truth[i] or named[i]
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "pictures": self.count,
            "top1": self.top1,
            "top5": self.top5,
            "classes": [vars(figures) for figures in self.classes()],
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
            "mistakes": [
                {
                    "file": str(m.path),
                    "truth": m.truth,
                    "truth_score": m.truth_score,
                    "named": m.named.label,
                    "score": m.named.score,
                }
                for m in self.mistakes
            ],
            "unreadable": [str(error) for error in self.unreadable],
        }


@dataclass(frozen=True)
class Comparison:
    """Two files on the same pictures."""

    pictures: int
    """That both could read."""
    agreement: float
    """Share of pictures that both give the same name, right or wrong."""
    only_first: int
    """Pictures that only the first file names right."""
    only_second: int
    difference: float
    """Top-1 of the first less that of the second."""
    low: float
    """The 95% confidence interval of the difference."""
    high: float


def evaluate(
    classifier: Classifier,
    data: Sequence[Labelled],
    *,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Names all pictures.

    Args:
        classifier: the file.
        data: see `find_labelled`; labels are matched with the file's by name.
        progress: called after each picture.

    Raises:
        InputError: a label is none of the file's classes, or no picture could be read.
    """
    labels = classifier.labels
    index = {label: i for i, label in enumerate(labels)}
    unknown = sorted({item.label for item in data} - set(index))
    if unknown:
        known = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise InputError(
            f"{unknown[0]!r} is none of the classes of {classifier.session.path} ({known}); "
            "name the folders as the file's labels"
        )
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    in_best_five, named, mistakes, unreadable = 0, {}, [], []
    results = classifier.classify_many((item.path for item in data), top_k=len(labels))
    for item, result in zip(data, results, strict=True):
        progress()
        if result.error is not None:
            unreadable.append(result.error)
            continue
        truth, best = index[item.label], result.predictions[0]
        confusion[truth, best.index] += 1
        in_best_five += any(found.index == truth for found in result.predictions[:5])
        named[item.path] = best.index
        if best.index != truth:
            score = next(found.score for found in result.predictions if found.index == truth)
            mistakes.append(Mistake(item.path, item.label, best, score))
    if not named:
        raise InputError(f"none of the {len(data)} pictures can be read; the first: {unreadable[0]}")
    mistakes.sort(key=lambda mistake: mistake.truth_score - mistake.named.score)
    return Evaluation(labels, confusion, in_best_five, named, mistakes, unreadable)


def compare(first: Evaluation, second: Evaluation, data: Sequence[Labelled]) -> Comparison:
    """Compares two files picture by picture, by the names of their classes."""
    both = [item for item in data if item.path in first.named and item.path in second.named]
    pairs = [(first.labels[first.named[item.path]], second.labels[second.named[item.path]]) for item in both]
    rights = [(a == item.label, b == item.label) for item, (a, b) in zip(both, pairs, strict=True)]
    only_first = sum(a and not b for a, b in rights)
    only_second = sum(b and not a for a, b in rights)
    low, high = paired_interval(only_first, only_second, len(both))
    return Comparison(
        pictures=len(both),
        agreement=sum(a == b for a, b in pairs) / len(both),
        only_first=only_first,
        only_second=only_second,
        difference=(only_first - only_second) / len(both),
        low=low,
        high=high,
    )


def paired_interval(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """The 95% confidence interval of a difference of two accuracies measured on the same pictures.

    The adjusted Wald interval of Bonett and Price ("Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", 2012): one more of each kind of disagreement keeps it honest on small sets.
    """
    n = count + 2
    a, b = (only_first + 1) / n, (only_second + 1) / n
    reach = Z95 * math.sqrt((a + b - (a - b) ** 2) / n)
    return max(-1.0, a - b - reach), min(1.0, a - b + reach)
