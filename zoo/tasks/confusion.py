"""The confusion matrix, for training and for the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LEAST_ANSWERS = 10
"""The fewest answers by which a model is said to be no better than chance."""
Z95 = 1.645
"""The 95% quantile of the normal distribution."""


@dataclass(frozen=True)
class ClassFigures:
    """Metrics of one class; None for a metric without a denominator."""

    label: str
    count: int
    """Number of pictures that belong to this class."""
    precision: float | None
    """Share of the pictures classified as this class that belong to it."""
    recall: float | None
    """Share of the pictures of this class that are classified as it."""


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix: numbers of pictures by true class and by predicted class, for training and the device."""

    labels: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    """Counts of shape `(classes, classes)`: rows by true class, columns by predicted class."""

    @classmethod
    def of(cls, labels: tuple[str, ...], truth: Array, named: Array) -> Confusion:
        """Counts pairs of class indexes; `truth` and `named` have one entry for each picture."""
        counts = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(counts, (truth, named), 1)
        return cls(labels, counts)

    @property
    def count(self) -> int:
        """Number of pictures."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy: the share of pictures classified correctly."""
        return float(np.trace(self.counts) / self.count)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have pictures."""
        totals = self.counts.sum(axis=1)
        there = totals > 0
        return float((self.counts.diagonal()[there] / totals[there]).mean())

    def doubt(self) -> str:
        """Returns what shows that the classes are not told apart, as part of a sentence; empty if they are.

        Whoever guesses has a mean recall of one divided by the number of classes, however many pictures each has; what
        is less than 1.645 standard deviations above that may be chance. Fewer than `LEAST_ANSWERS` tell nothing.
        """
        totals, named = self.counts.sum(axis=1), self.counts.sum(axis=0)
        there = totals[totals > 0]
        if len(there) < 2 or self.count < LEAST_ANSWERS:
            return ""
        if (named > 0).sum() == 1:
            return f"all {self.count} answers are {self.labels[int(named.argmax())]!r}"
        chance = 1 / len(there)
        deviation = math.sqrt(float((chance * (1 - chance) / there).sum())) / len(there)
        if self.balanced_accuracy > chance + Z95 * deviation:
            return ""
        recall = f"{self.balanced_accuracy:.1%}"
        return f"a class is found in {recall} of its examples on average, and guessing finds {chance:.1%}"

    def classes(self) -> list[ClassFigures]:
        """The figures of every class, in the order of the labels."""
        right, truth, named = self.counts.diagonal(), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return [
            ClassFigures(
                label,
                int(truth[i]),
                float(right[i] / named[i]) if named[i] else None,
                float(right[i] / truth[i]) if truth[i] else None,
            )
            for i, label in enumerate(self.labels)
        ]
