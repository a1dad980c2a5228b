"""What the scores of a classifier are worth: confidence intervals, calibration, and accuracy above a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.tasks.evaluation import Section
from zoo.tasks.task import Array

Answers = Sequence[tuple[float, bool]]
"""The score of each picture's best class, and whether that class is the true one."""

Z95 = 1.959964
"""The 97.5% quantile of the normal distribution."""
BINS = 15
"""The bins of the calibration error, of equal width."""
STEPS = tuple(round(0.01 * step, 2) for step in range(100))
"""The scores that are tried as a threshold: two digits, as a user types them."""
PRECISIONS = (0.8, 0.9, 0.95, 0.99)
"""The precisions that thresholds are looked for."""
SHOWN = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""The thresholds of a printed table."""
LEAST_ANSWERS = 10
"""The fewest answers that a threshold is chosen by: fewer show no precision."""


def wilson(right: int, count: int) -> tuple[float, float]:
    """Returns the 95% confidence interval of a share, 0..1, by Wilson's score method (1927); 0 to 1 for no count."""
    if not count:
        return 0.0, 1.0
    share, z = right / count, Z95**2 / count
    middle = (share + z / 2) / (1 + z)
    reach = math.sqrt(z * share * (1 - share) + z * z / 4) / (1 + z)
    # At the ends the interval closes exactly; rounding would leave it a little open.
    return (max(0.0, middle - reach) if right else 0.0), (min(1.0, middle + reach) if right < count else 1.0)


@dataclass(frozen=True)
class Above:
    """The answers of a classifier whose best class has at least some score."""

    min_score: float
    count: int
    """Number of these answers."""
    coverage: float
    """Their share of all answers, 0..1."""
    accuracy: float | None
    """Share of them that are right, 0..1; None if there are none."""


def above(scores: Array, right: Array, thresholds: Sequence[float] = SHOWN) -> list[Above]:
    """Returns coverage and accuracy above each threshold.

    Args:
        scores: the score of each picture's best class, `(count,)`.
        right: whether that class is the true one, `(count,)`.
        thresholds: the least scores of an answer.
    """
    found = []
    for threshold in thresholds:
        kept = scores >= threshold
        count = int(kept.sum())
        accuracy = float(right[kept].mean()) if count else None
        found.append(Above(threshold, count, count / max(1, len(scores)), accuracy))
    return found


def threshold_for(precision: float, scores: Array, right: Array) -> Above | None:
    """Returns the lowest threshold of `STEPS` above which this share of the answers is right; None if there is none.

    Args:
        precision: the share that is wanted, 0..1.
        scores: as in `above`.
        right: as in `above`.
    """
    enough = (one for one in above(scores, right, STEPS) if one.count >= LEAST_ANSWERS)
    return next((one for one in enough if one.accuracy is not None and one.accuracy >= precision), None)


def thresholds(scores: Array, right: Array) -> list[dict[str, Any]]:
    """Returns the threshold for each of `PRECISIONS`, as JSON can hold it.

    Args:
        scores: as in `above`.
        right: as in `above`.

    Returns:
        For each, `precision`, and `min_score`, `count`, `coverage` and `accuracy`, which are None if no threshold
        gives it.
    """
    found = []
    for precision in PRECISIONS:
        one = threshold_for(precision, scores, right)
        values = asdict(one) if one else dict.fromkeys(("min_score", "count", "coverage", "accuracy"))
        found.append({"precision": precision, **values})
    return found


@dataclass(frozen=True)
class Bin:
    """The answers whose best score lies in one range."""

    low: float
    high: float
    count: int
    score: float
    """Mean score of their best classes; 0 if there are none."""
    accuracy: float
    """Share of them that are right; 0 if there are none."""


def reliability(scores: Array, right: Array, bins: int = BINS) -> list[Bin]:
    """Returns the answers by their best score, in bins of equal width.

    Args:
        scores: as in `above`.
        right: as in `above`.
        bins: the number of bins.
    """
    places: npt.NDArray[np.int64] = np.clip((np.asarray(scores) * bins).astype(np.int64), 0, bins - 1)
    found = []
    for place in range(bins):
        inside = places == place
        count = int(inside.sum())
        means = (float(scores[inside].mean()), float(right[inside].mean())) if count else (0.0, 0.0)
        found.append(Bin(place / bins, (place + 1) / bins, count, *means))
    return found


def calibration_error(scores: Array, right: Array, bins: int = BINS) -> float:
    """Returns the expected calibration error (ECE), 0..1: how far score and accuracy of a bin differ, on average.

    The definition is that of Guo et al. ("On Calibration of Modern Neural Networks", 2017).
    """
    return sum(one.count * abs(one.accuracy - one.score) for one in reliability(scores, right, bins)) / len(scores)


def error_of(answers: Answers) -> float | None:
    """Returns the expected calibration error of answers; None if there are none."""
    return calibration_error(*_arrays(answers)) if answers else None


def thresholds_of(answers: Answers) -> list[dict[str, Any]]:
    """Returns the `thresholds` of answers; none if there are no answers."""
    return thresholds(*_arrays(answers)) if answers else []


def dicts_above(answers: Answers) -> list[dict[str, Any]]:
    """Returns coverage and accuracy above the scores of `SHOWN`, as JSON can hold them."""
    return [asdict(one) for one in above(*_arrays(answers))] if answers else []


def section_above(answers: Answers) -> list[Section]:
    """Returns the table of coverage and accuracy above the scores of `SHOWN`; nothing if there are no answers."""
    if not answers:
        return []
    rows = [
        (f"{one.min_score:.2f}", str(one.count), f"{one.coverage:.1%}", _percent(one.accuracy))
        for one in above(*_arrays(answers))
    ]
    title = "Answers of at least a score, which zoo run --min-score asks for:"
    return [Section(title, ("min score", "pictures", "coverage", "accuracy"), rows)]


def _arrays(answers: Answers) -> tuple[Array, Array]:
    scores, right = zip(*answers, strict=True)
    return np.array(scores), np.array(right)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
