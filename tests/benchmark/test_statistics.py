from __future__ import annotations

import numpy as np
import pytest

from zoo.benchmark.statistics import Spread, Times, ratio
from zoo.errors import InputError


def test_statistics_in_milliseconds() -> None:
    seconds = [i / 1000 for i in range(1, 102)]
    np.random.default_rng(0).shuffle(seconds)
    found = Times.of(seconds)
    assert found.runs == 101
    assert found.min_ms == pytest.approx(1)
    assert found.median_ms == found.mean_ms == pytest.approx(51)
    assert found.p90_ms == pytest.approx(91)
    assert found.p99_ms == pytest.approx(100)


def test_one_slow_run_moves_the_mean_and_the_tail_only() -> None:
    found = Times.of([0.010] * 99 + [1.0])
    assert (found.min_ms, found.median_ms, found.p90_ms) == pytest.approx((10, 10, 10))
    assert found.mean_ms == pytest.approx(19.9)
    assert 10 < found.p99_ms < 1000


def test_one_run() -> None:
    assert Times.of([0.5]) == Times(1, 500, 500, 500, 500, 500)
    assert Spread.of([3]) == Spread(3, 3, 3)


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine becomes ten times slower in the middle; both times grow, but their ratio does not.
    drift = np.concatenate([np.ones(10), np.linspace(1, 10, 20), np.full(10, 10)])
    found = ratio(list(0.02 * drift), list(0.01 * drift))
    assert (found.median, found.p10, found.p90) == pytest.approx((2, 2, 2))
    # A ratio above 1 is slower, and the spread is that of the rounds.
    slower = ratio([1, 2, 3], [1, 1, 1])
    assert (slower.median, slower.p10, slower.p90) == pytest.approx((2, 1.2, 2.8))


def test_what_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="there are no times; run at least once"):
        Times.of([])
    with pytest.raises(InputError, match="there are no times"):
        ratio([], [])
    with pytest.raises(InputError, match="2 times cannot be compared with 1"):
        ratio([1, 2], [1])
