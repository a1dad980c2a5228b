"""The choice of an activation's range from what was seen of it."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.compress.ranges import METHODS, OUTER, PER_INPUT, Range, Seen, Watch, places, rounded
from zoo.errors import OptionError


def normal_with(*outliers: float) -> Seen:
    """100,000 values of a normal distribution, and some others."""
    watch = Watch()
    rng = np.random.default_rng(1)
    for _ in range(200):
        watch.add(rng.standard_normal((1, 500)))
    watch.add(np.array([outliers or (0.0,)]))
    return watch.seen()


def test_minmax_holds_every_value_whichever_of_them_are_kept() -> None:
    watch = Watch()
    values = np.zeros((2, 10 * PER_INPUT), np.float32)
    lost = np.setdiff1d(np.arange(values.shape[1]), places(values.shape[1]))
    values[0, lost[0]], values[1, lost[1]] = -3, 7
    watch.add(values)
    assert watch.seen().range("minmax") == Range(-3, 7)
    assert watch.seen().values.size == 2 * PER_INPUT


@pytest.mark.parametrize("method", METHODS)
def test_every_range_holds_zero(method: str) -> None:
    watch = Watch()
    watch.add(np.linspace(2, 3, 100).reshape(1, -1))
    found = watch.seen().range(method)  # type: ignore[arg-type]
    assert found.low == 0
    assert 2.5 < found.high <= 3


def test_the_percentile_leaves_out_a_few_outliers_and_nothing_else() -> None:
    seen = normal_with(60.0, -80.0)
    found = seen.range("percentile")
    assert seen.range("minmax") == Range(-80, 60)
    assert -5 < found.low < -3
    assert 3 < found.high < 5
    outside = np.mean((seen.values < found.low) | (seen.values > found.high))
    assert outside == pytest.approx(2 * OUTER, rel=0.2)


def test_the_least_squared_error_cuts_off_what_is_cheaper_to_cut_off_than_to_hold() -> None:
    watch = Watch()
    watch.add(np.random.default_rng(2).laplace(size=(100, PER_INPUT)))
    seen = watch.seen()
    errors = {method: error(seen, seen.range(method)) for method in METHODS}
    assert errors["mse"] < 0.98 * errors["minmax"]
    assert errors["mse"] < 0.98 * errors["percentile"]


def test_the_least_squared_error_keeps_the_whole_range_of_evenly_spread_values() -> None:
    watch = Watch()
    watch.add(np.linspace(-1, 1, 1000).reshape(1, -1))
    assert watch.seen().range("mse") == Range(-1, 1)


def test_a_rounded_value_is_at_most_half_a_step_off_and_zero_stays_zero() -> None:
    values = np.linspace(-0.9, 2, 1001, dtype=np.float32)
    ends = Range(-1, 2)
    found = rounded(values, ends)
    assert np.abs(found - values).max() <= ends.width / 255 / 2 * 1.001
    assert rounded(np.zeros(1, np.float32), ends)[0] == 0
    assert len(np.unique(rounded(values, ends, bits=4))) <= 16


def test_values_outside_of_the_range_become_its_ends() -> None:
    found = rounded(np.array([-9, 9], np.float32), Range(-1, 2))
    np.testing.assert_allclose(found, [-1, 2], atol=3 / 255)


def test_a_range_without_width_stores_zeros() -> None:
    assert rounded(np.ones(3, np.float32), Range(0, 0)).tolist() == [0, 0, 0]


def test_an_unknown_method_is_refused_with_the_closest_one() -> None:
    with pytest.raises(OptionError, match="'percentiles'; did you mean 'percentile'"):
        normal_with().range("percentiles")  # type: ignore[arg-type]


def error(seen: Seen, ends: Range) -> float:
    return float(np.square(rounded(seen.values, ends) - seen.values).mean())
