"""The confusion matrix, for training and for the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


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
