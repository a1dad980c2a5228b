"""Statistics of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import InputError
from zoo.text import count_of


@dataclass(frozen=True)
class Times:
    """Statistics of all timed runs, in milliseconds.

    Percentiles are interpolated between the two nearest runs, so that with fewer than 100 runs `p99_ms` lies close to
    the slowest one.
    """

    runs: int
    min_ms: float
    median_ms: float
    mean_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """Computes the statistics of some times in seconds.

        Raises:
            InputError: there are none.
        """
        _require(seconds)
        milliseconds = 1e3 * np.asarray(seconds, np.float64)
        median, p90, p99 = np.percentile(milliseconds, [50, 90, 99])
        return cls(
            len(milliseconds),
            float(milliseconds.min()),
            float(median),
            float(milliseconds.mean()),
            float(p90),
            float(p99),
        )


@dataclass(frozen=True)
class Spread:
    """The median of repeated measurements of one quantity, and their spread."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Computes the 10th, 50th and 90th percentile of some values.

        Raises:
            InputError: there are none.
        """
        _require(values)
        p10, median, p90 = np.percentile(np.asarray(values, np.float64), [10, 50, 90])
        return cls(float(median), float(p10), float(p90))


def ratio(seconds: Sequence[float], reference: Sequence[float]) -> Spread:
    """Returns the ratio of times to those of a reference, round by round; above 1 is slower.

    Only times of the same round are compared, so that temporary slowdowns of the machine cancel out.

    Args:
        seconds: one time for each round.
        reference: the reference's times for the same rounds.

    Raises:
        InputError: there are no rounds, or not the same number of both.
    """
    if len(seconds) != len(reference):
        raise InputError(
            f"{count_of(len(seconds), 'time')} cannot be compared with {len(reference)}: give one of each a round"
        )
    return Spread.of([own / other for own, other in zip(seconds, reference, strict=True)])


def _require(values: Sequence[float]) -> None:
    if not len(values):
        raise InputError("there are no times; run at least once")
