"""Classification: the task of finding which known class a picture shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError, ModelFileError
from zoo.tasks.agreement import MEASURES, Answers
from zoo.tasks.task import Agreement, Array, Section, Shape, Truth
from zoo.tflite.tags import OutputTag

if TYPE_CHECKING:
    from zoo.inputs.fit import Fit

Z95 = 1.959964
"""The 97.5% quantile of the normal distribution."""

ROUNDING = 0.01
"""How far a probability may be outside of 0..1 by the rounding of quantized files."""

SHAPES_SHOWN = 10
"""The most outputs that an error message lists."""

TABLE_CLASSES = 20
"""The most classes of a printed confusion matrix; with more columns it is not readable."""


@dataclass(frozen=True)
class Prediction:
    """One class with the model's score for it."""

    label: str
    index: int
    score: float
    """Score of the class; a probability, 0..1, if the model ends in a softmax."""


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


@dataclass(frozen=True)
class Mistake:
    """A wrongly classified picture."""

    path: Path
    truth: str
    named: Prediction
    """The predicted class."""
    truth_score: float
    """The score of the right class."""


@dataclass(frozen=True)
class Evaluation:
    """The accuracy of a classifier on labelled pictures."""

    confusion: Confusion
    in_best_five: int
    """Number of pictures whose true class is among the five predictions with the best scores."""
    named: dict[Path, tuple[str, str]]
    """True and predicted class of each picture, by its path."""
    mistakes: list[Mistake]
    """Wrongly classified pictures, the highest score first."""
    unreadable: list[InputError]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.confusion.labels

    @property
    def count(self) -> int:
        """Number of pictures that could be read."""
        return self.confusion.count

    @property
    def top1(self) -> float:
        """Top-1 accuracy: the share of pictures classified correctly."""
        return self.confusion.accuracy

    @property
    def top5(self) -> float:
        """Top-5 accuracy: the share of pictures whose true class is among the five best."""
        return self.in_best_five / self.count

    @property
    def score(self) -> float:
        """The figure that files are compared by: top-1."""
        return self.top1

    def classes(self) -> list[ClassFigures]:
        """The metrics of each class that has pictures or was predicted."""
        return [figures for figures in self.confusion.classes() if figures.count or figures.precision is not None]

    def headline(self) -> str:
        """The figures in one line."""
        best_five = f", top-5 {self.top5:.1%}" if len(self.labels) > 5 else ""
        return f"{self.count} pictures, top-1 {self.top1:.1%}{best_five}"

    def sections(self, mistakes: int) -> list[Section]:
        """Returns the metrics by class, the confusion matrix if it is readable, and the worst mistakes."""

        def share(value: float | None) -> str:
            return "" if value is None else f"{value:.1%}"

        rows = [(one.label, str(one.count), share(one.precision), share(one.recall)) for one in self.classes()]
        found = [Section("", ("class", "pictures", "precision", "recall"), rows)]
        counts = self.confusion.counts
        (used,) = (counts.sum(axis=0) + counts.sum(axis=1)).nonzero()
        if len(used) <= TABLE_CLASSES:
            names = [self.labels[i] for i in used]
            table = [(names[at], *(str(counts[i, j] or "") for j in used)) for at, i in enumerate(used)]
            found.append(Section("What they are (rows), what they are taken for (columns):", ("", *names), table))
        if self.mistakes and mistakes:
            shown = self.mistakes[:mistakes]
            more = len(shown) < len(self.mistakes)
            found.append(
                Section(
                    f"{len(self.mistakes)} mistakes, the surest first:" if more else "Mistakes:",
                    ("picture", "is", "score", "taken for", "score "),
                    [
                        (str(m.path), m.truth, f"{m.truth_score:.1%}", m.named.label, f"{m.named.score:.1%}")
                        for m in shown
                    ],
                    left=("is", "taken for"),
                )
            )
        return found

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "pictures": self.count,
            "top1": self.top1,
            "top5": self.top5,
            "classes": [vars(figures) for figures in self.classes()],
            "labels": list(self.labels),
            "confusion": self.confusion.counts.tolist(),
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


class ClassificationJudge:
    """Counts true and predicted classes."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self._index = {label: i for i, label in enumerate(labels)}
        self._counts = np.zeros((len(labels), len(labels)), np.int64)
        self._in_best_five = 0
        self._named: dict[Path, tuple[str, str]] = {}
        self._mistakes: list[Mistake] = []

    def add(self, truth: Truth, found: Sequence[Prediction]) -> None:
        """Adds one picture; `found` holds all classes, best first."""
        (label,) = truth.names
        index, best = self._index[label], found[0]
        self._counts[index, best.index] += 1
        self._in_best_five += any(one.index == index for one in found[:5])
        self._named[truth.path] = (label, best.label)
        if best.index != index:
            score = next(one.score for one in found if one.index == index)
            self._mistakes.append(Mistake(truth.path, label, best, score))

    def evaluation(self, unreadable: list[InputError]) -> Evaluation:
        """Returns the metrics of all pictures added so far."""
        mistakes = sorted(self._mistakes, key=lambda mistake: mistake.truth_score - mistake.named.score)
        return Evaluation(Confusion(self._labels, self._counts), self._in_best_five, self._named, mistakes, unreadable)


@dataclass(frozen=True)
class Comparison:
    """A comparison of two classifiers on the same pictures."""

    pictures: int
    """Number of pictures that both could read."""
    agreement: float
    """Share of pictures to which both give the same class, right or wrong."""
    only_first: int
    """Number of pictures that only the first file classifies correctly."""
    only_second: int
    """Number of pictures that only the second file classifies correctly."""
    difference: float
    """Top-1 accuracy of the first minus that of the second."""
    low: float
    """Lower end of the 95% confidence interval of the difference."""
    high: float
    """Upper end of the same interval."""

    def section(self, names: tuple[str, str], first: Evaluation, second: Evaluation) -> Section:
        """Returns a table with a row for each file."""
        rights = (self.only_first, self.only_second)
        rows = [
            (name, f"{one.top1:.1%}", f"{one.top5:.1%}", str(right))
            for name, one, right in zip(names, (first, second), rights, strict=True)
        ]
        return Section("", ("file", "top-1", "top-5", "right where the other is wrong"), rows)

    def line(self) -> str:
        """The comparison in one line."""
        return (
            f"The same name for {self.agreement:.1%} of {self.pictures} pictures. Top-1 differs by "
            f"{100 * self.difference:+.2f} points (95% confidence: {100 * self.low:+.2f} to {100 * self.high:+.2f})."
        )


@dataclass(frozen=True)
class Classification:
    """The task of finding the one class that a picture belongs to."""

    name: str = "classification"
    noun: str = "classifier"
    columns: tuple[str, ...] = ("label", "index", "score")
    output_tags: tuple[OutputTag, ...] = (OutputTag("scores", "one a class", has_labels=True),)
    answers: Answers = "class"
    """What the model's outputs say; it decides how two answers are compared."""

    def fault(self, shapes: Sequence[Shape]) -> str:
        """Returns why outputs of these shapes are no classifier's. Older models end in (batch, 1, 1, classes)."""
        if len(shapes) == 1 and len(shapes[0]) >= 2 and not set(shapes[0][1:-1]) - {1}:
            return ""
        shown = ", ".join([*map(str, shapes[:SHAPES_SHOWN]), *(["..."] if len(shapes) > SHAPES_SHOWN else [])])
        return f"no classifier: its outputs are {shown}, not one (batch, classes)"

    def classes(self, shapes: Sequence[Shape]) -> int:
        """The number of classes: the length of the output's last axis, and two where that is a single score."""
        return max(2, shapes[0][-1])

    def decode(
        self,
        outputs: Sequence[Array],
        labels: tuple[str, ...],
        fit: Fit | None = None,
        limit: int | None = None,
    ) -> list[Prediction]:
        """The classes by their scores, best first; equal scores in the order of the labels.

        A single score is that of the second of two classes, as a sigmoid gives it.

        Raises:
            ModelFileError: the single score is no probability.
        """
        scores = np.asarray(outputs[0][0]).reshape(-1)
        if len(scores) == 1:
            scores = _of_two(scores)
        best = np.argsort(-scores, kind="stable")[:limit]
        return [Prediction(labels[i], int(i), float(scores[i])) for i in best]

    def judge(self, labels: tuple[str, ...]) -> ClassificationJudge:
        """Returns a new judge."""
        return ClassificationJudge(labels)

    def compare(self, first: Evaluation, second: Evaluation) -> Comparison:
        """Compares two classifiers picture by picture, by the names of their classes.

        Raises:
            InputError: there is no picture that both could read.
        """
        both = [path for path in first.named if path in second.named]
        if not both:
            raise InputError("there is no picture that both files could read")
        pairs = [(*first.named[path], second.named[path][1]) for path in both]
        only_first = sum(a == truth and b != truth for truth, a, b in pairs)
        only_second = sum(b == truth and a != truth for truth, a, b in pairs)
        low, high = paired_interval(only_first, only_second, len(both))
        return Comparison(
            pictures=len(both),
            agreement=sum(a == b for _, a, b in pairs) / len(both),
            only_first=only_first,
            only_second=only_second,
            difference=(only_first - only_second) / len(both),
            low=low,
            high=high,
        )

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array]) -> Agreement:
        """Returns the agreement by the measure that suits the answers, see `zoo.tasks.agreement`."""
        first, second = (np.asarray(one[0]).reshape(len(one[0]), -1) for one in (reference, outputs))
        return MEASURES[self.answers](first, second)

    def cells(self, found: Prediction) -> tuple[object, ...]:
        """The values of one prediction, in the order of `columns`."""
        return found.label, found.index, found.score

    def lines(self, found: Sequence[Prediction]) -> list[str]:
        """Returns a line for each class."""
        return [f"{one.score:7.2%}  {one.label}" for one in found]

    def brief(self, found: Sequence[Prediction]) -> str:
        """Returns names and scores as part of a line."""
        return ", ".join(f"{one.label} {one.score:.0%}" for one in found)


CLASSIFICATION = Classification()


def _of_two(score: Array) -> Array:
    """Returns the scores of both classes from that of the second."""
    if not -ROUNDING <= float(score[0]) <= 1 + ROUNDING:
        raise ModelFileError(
            f"the file gives a single value, {float(score[0]):g}, which is no probability, so it names no class; it "
            "may lack a sigmoid at its end, or be no classifier"
        )
    return np.concatenate([1 - score, score])


def paired_interval(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """The 95% confidence interval of a difference of two accuracies measured on the same pictures.

    The adjusted Wald interval of Bonett and Price ("Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", 2012): one more of each kind of disagreement keeps it honest on small sets.
    """
    n = count + 2
    a, b = (only_first + 1) / n, (only_second + 1) / n
    reach = Z95 * math.sqrt((a + b - (a - b) ** 2) / n)
    return max(-1.0, a - b - reach), min(1.0, a - b + reach)
