"""Statistics of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import InputError


@dataclass(frozen=True)
class Times:
    """How long something took, over all its timed runs; milliseconds.

    Percentiles are interpolated between the two nearest runs, so that with fewer than 100 runs `p99_ms` is little more
    than the slowest one.
    """

    runs: int
    min_ms: float
    median_ms: float
    mean_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """The statistics of some times in seconds.

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
    """The middle of repeated measurements of one quantity, and how far they lie apart."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The 10th, 50th and 90th percentile of some values.

        Raises:
            InputError: there are none.
        """
        _require(values)
        p10, median, p90 = np.percentile(np.asarray(values, np.float64), [10, 50, 90])
        return cls(float(median), float(p10), float(p90))


def ratio(seconds: Sequence[float], reference: Sequence[float]) -> Spread:
    """How many times as long something took as a reference, round by round: above 1 it is slower.

    Each round is compared with itself, so that what slows the machine for a while cancels out.

    Args:
        seconds: one time a round.
        reference: the reference's time of each of the same rounds.

    Raises:
        InputError: there are no rounds, or not the same number of both.
    """
    if len(seconds) != len(reference):
        raise InputError(f"{len(seconds)} times cannot be compared with {len(reference)}: give one of each a round")
    return Spread.of([own / other for own, other in zip(seconds, reference, strict=True)])


def _require(values: Sequence[float]) -> None:
    if not len(values):
        raise InputError("there are no times; run at least once")
