"""The evaluation of classifiers: top-1 and top-5 accuracy, mistakes, and the comparison of two files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import AnswerError, InputError
from zoo.tasks.confidence import Z95, Answers, dicts_above, error_of, section_above, thresholds_of, wilson
from zoo.tasks.confusion import ClassFigures, Confusion
from zoo.tasks.evaluation import Section, Truth
from zoo.tasks.scores import Sameness, Scores, shown_score
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.tasks.classification import Prediction

TABLE_CLASSES = 20
"""The most classes of a printed confusion matrix; with more columns it is not readable."""


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
    """Wrongly classified pictures; first those whose wrong class has the score furthest above that of the right one."""
    unreadable: list[InputError]
    scores: Scores = "probabilities"
    """What the scores of the file are."""
    answers: Answers = ()
    """The score of each picture's best class, and whether that class is the true one."""

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
    def has_top5(self) -> bool:
        """Whether top-5 accuracy says anything: among five classes or fewer, the true one is always there."""
        return len(self.labels) > 5

    @property
    def score(self) -> float:
        """The figure that files are compared by: top-1."""
        return self.top1

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval of the top-1 accuracy."""
        return wilson(int(np.trace(self.confusion.counts)), self.count)

    def classes(self) -> list[ClassFigures]:
        """The metrics of each class that has pictures or was predicted."""
        return [figures for figures in self.confusion.classes() if figures.count or figures.precision is not None]

    def headline(self) -> str:
        """The figures in one line."""
        best_five = f", top-5 {self.top5:.1%}" if self.has_top5 else ""
        return f"{count_of(self.count, 'picture')}, top-1 {self.top1:.1%}{best_five}"

    def doubt(self) -> str:
        """Returns why the answers may be none; see `Confusion.doubt`."""
        found = self.confusion.doubt()
        return found and f"{found}; {self.count} pictures do not show that this file tells the classes apart"

    @property
    def _probabilities(self) -> Answers:
        """The answers if their scores are probabilities, of which a share can be expected to be right; else none."""
        return self.answers if self.scores == "probabilities" else ()

    @property
    def sureness(self) -> dict[str, Any]:
        """What the scores are worth, for the card: the calibration error, and the score for a wanted precision."""
        found = {"calibration_error": error_of(self._probabilities), "min_score": thresholds_of(self._probabilities)}
        return found if self._probabilities else {}

    def sections(self, mistakes: int) -> list[Section]:
        """Returns the metrics by class, the confusion matrix if readable, accuracy by score, and the worst mistakes."""

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
        found += section_above(self._probabilities)
        if self.mistakes and mistakes:
            shown = self.mistakes[:mistakes]
            more = len(shown) < len(self.mistakes)
            found.append(
                Section(
                    f"{count_of(len(self.mistakes), 'mistake')}, the surest first:" if more else "Mistakes:",
                    ("picture", "is", "score", "taken for", "score "),
                    [
                        (
                            str(m.path),
                            m.truth,
                            shown_score(m.truth_score, self.scores, 1),
                            m.named.label,
                            shown_score(m.named.score, self.scores, 1),
                        )
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
            "top1_interval": list(self.interval),
            "top5": self.top5,
            "calibration_error": error_of(self._probabilities),
            "min_score": thresholds_of(self._probabilities),
            "above": dicts_above(self._probabilities),
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

    def __init__(self, labels: tuple[str, ...], scores: Scores = "probabilities") -> None:
        self._labels = labels
        self._scores = scores
        self._sameness = Sameness()
        self._index = {label: i for i, label in enumerate(labels)}
        self._counts = np.zeros((len(labels), len(labels)), np.int64)
        self._in_best_five = 0
        self._named: dict[Path, tuple[str, str]] = {}
        self._mistakes: list[Mistake] = []
        self._answers: list[tuple[float, bool]] = []

    def add(self, truth: Truth, found: Sequence[Prediction]) -> None:
        """Adds one picture; `found` holds all classes, best first."""
        (label,) = truth.names
        index, best = self._index[label], found[0]
        self._sameness.add(label, [one.score for one in sorted(found, key=lambda one: one.index)])
        self._counts[index, best.index] += 1
        self._in_best_five += any(one.index == index for one in found[:5])
        self._named[truth.path] = (label, best.label)
        self._answers.append((best.score, best.index == index))
        if best.index != index:
            score = next(one.score for one in found if one.index == index)
            self._mistakes.append(Mistake(truth.path, label, best, score))

    def evaluation(self, unreadable: list[InputError]) -> Evaluation:
        """Returns the metrics of all pictures added so far.

        Raises:
            AnswerError: the scores are the same for all classes, or for pictures of several classes.
        """
        if fault := self._sameness.fault():
            raise AnswerError(
                f"the file {fault}, which is no answer and has no accuracy; look at its weights, and whether its "
                "pixels are scaled as in training"
            )
        mistakes = sorted(self._mistakes, key=lambda mistake: mistake.truth_score - mistake.named.score)
        counts = Confusion(self._labels, self._counts)
        answers = tuple(self._answers)
        return Evaluation(counts, self._in_best_five, self._named, mistakes, unreadable, self._scores, answers)


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
        both = first.has_top5 and second.has_top5
        rows = [
            (name, f"{one.top1:.1%}", *([f"{one.top5:.1%}"] if both else []), str(right))
            for name, one, right in zip(names, (first, second), rights, strict=True)
        ]
        columns = ("file", "top-1", *(["top-5"] if both else []), "right where the other is wrong")
        return Section("", columns, rows)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return dict(vars(self))

    def line(self) -> str:
        """The comparison in one line."""
        return (
            f"The same name for {self.agreement:.1%} of {count_of(self.pictures, 'picture')}. Top-1 differs by "
            f"{100 * self.difference:+.2f} points (95% confidence: {100 * self.low:+.2f} to {100 * self.high:+.2f})."
        )


def compare(first: Evaluation, second: Evaluation) -> Comparison:
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


def paired_interval(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """The 95% confidence interval of a difference of two accuracies measured on the same pictures.

    The adjusted Wald interval of Bonett and Price ("Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", 2012): one more of each kind of disagreement keeps it honest on small sets.
    """
    n = count + 2
    a, b = (only_first + 1) / n, (only_second + 1) / n
    reach = Z95 * math.sqrt((a + b - (a - b) ** 2) / n)
    return max(-1.0, a - b - reach), min(1.0, a - b + reach)
