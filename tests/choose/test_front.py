from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.choose import Candidate, Limits, Measured, grid
from zoo.choose.front import pareto, pick
from zoo.errors import InputError

CELLS = grid("mobilenet_v2")


def candidate(ms: float, mb: float, top1: float | None, at: int = 0) -> Candidate:
    return Candidate(CELLS[at], Measured(int(mb * 1e6), ms, ms, 50), top1)


def test_the_front_of_time_and_accuracy() -> None:
    fast, middle, good = candidate(1, 4, 50), candidate(3, 2, 60), candidate(9, 9, 75)
    slower, larger, worse = candidate(2, 1, 50), candidate(1, 5, 50), candidate(9, 9, 74)
    assert pareto([worse, good, larger, middle, slower, fast]) == (fast, middle, good)
    # A candidate that is too large beats no other.
    assert pareto([worse, good, larger, middle, slower, fast], max_mb=2) == (slower, middle)
    assert pareto([candidate(1, 4, 50), middle], max_mb=4) == (fast, middle)


def test_equals_stay_and_the_unrated_do_not() -> None:
    one, other = candidate(1, 4, 60, at=0), candidate(1, 4, 60, at=1)
    assert pareto([one, other, candidate(0.1, 0.1, None)]) == (one, other)
    assert pareto([candidate(1, 1, None)]) == ()


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(50, 54)), max_size=20))
def test_every_candidate_off_the_front_is_beaten_by_one_on_it(values: list[tuple[int, int, int]]) -> None:
    candidates = [candidate(*value) for value in values]
    front = pareto(candidates)
    assert not any(one.beats(other) for one, other in itertools.product(front, front))
    for one in candidates:
        assert one in front or any(other.beats(one) for other in front)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(50, 54)), min_size=1, max_size=20),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_nothing_within_the_limits_is_more_accurate_than_the_pick(
    values: list[tuple[int, int, int]], ms: int, mb: int
) -> None:
    candidates = [candidate(*value) for value in values]
    limits = Limits(max_ms=ms, max_mb=mb)
    fitting = [one for one in candidates if one.measured.median_ms <= ms and one.megabytes <= mb]
    found = pick(pareto(candidates, mb), limits)
    assert (found is None) == (not fitting)
    if found:
        assert found in fitting
        assert found.top1 == max(one.top1 or 0 for one in fitting)


def test_what_is_picked() -> None:
    fast, middle, good = candidate(1, 2, 50), candidate(5, 4, 65), candidate(20, 9, 75)
    front = (fast, middle, good)
    assert pick(front, Limits(max_ms=10)) == middle
    assert pick(front, Limits(max_ms=20, max_mb=10)) == good
    assert pick(front, Limits(max_mb=3)) == fast
    assert pick(front, Limits(min_top1=60)) == middle
    assert pick(front, Limits(max_ms=30, min_top1=60)) == good
    assert pick(front, Limits(max_ms=10, min_top1=70)) is None
    assert pick(front, Limits()) is None


def test_limits() -> None:
    limits = Limits(20, 4, 60)
    assert str(limits) == "at most 20 ms, at most 4 MB, at least 60%"
    assert limits.broken(candidate(20, 4, 60)) == ""
    assert limits.broken(candidate(20.1, 9, 50)) == "too slow"
    assert limits.broken(candidate(20, 4.1, 50)) == "too large"
    assert limits.broken(candidate(20, 4, 59.9)) == limits.broken(candidate(20, 4, None)) == "too inaccurate"
    for wrong in ({"max_ms": 0.0}, {"max_mb": -1.0}, {"max_ms": float("nan")}, {"min_top1": 101.0}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}=.* is not allowed"):
            Limits(**wrong)
    with pytest.raises(InputError, match=r"min_top1=0.6 is not allowed; give percent, e.g. 60"):
        Limits(min_top1=0.6)


def test_an_accuracy_is_that_of_the_weights_it_was_published_for() -> None:
    floats = CELLS[0]
    integers = next(cell for cell in grid("mobilenet_v1") if cell.int8_top1 is not None)
    measured = Measured(10, 1.0, 1.0, 50)
    assert Candidate(floats, measured, 71.0).top1_of == "float"
    assert Candidate(integers, measured, 70.0).top1_of == "int8"
    assert Candidate(integers, measured, None).top1_of is None


def test_of_equally_fast_and_accurate_ones_the_smaller_beats_the_larger() -> None:
    small, large = candidate(1, 4, 60), candidate(1, 5, 60)
    assert small.beats(large)
    assert not large.beats(small)
    assert not small.beats(small)
    assert candidate(1, 9, 60).beats(candidate(2, 1, 60))
    assert candidate(1, 9, 61).beats(candidate(1, 1, 60))
    assert not candidate(2, 1, 61).beats(candidate(1, 1, 60))
    assert not small.beats(candidate(9, 9, None))
    assert not candidate(1, 1, None).beats(small)


def test_within_a_size_the_most_accurate_is_picked_and_not_the_fastest() -> None:
    fast, middle = candidate(1, 2, 50), candidate(5, 4, 65)
    assert pick((fast, middle), Limits(max_mb=5)) == middle
    # Of equally accurate ones the faster.
    assert pick((candidate(2, 1, 50), fast), Limits(max_mb=5)) == fast


def test_a_limit_is_kept_to_the_byte_and_may_be_any_part() -> None:
    assert Limits(max_mb=4).broken(Candidate(CELLS[0], Measured(4_000_001, 1.0, 1.0, 50), 60)) == "too large"
    assert Limits(max_mb=4).broken(Candidate(CELLS[0], Measured(4_000_000, 1.0, 1.0, 50), 60)) == ""
    assert str(Limits(max_ms=0.5, max_mb=0.25, min_top1=1.5)) == "at most 0.5 ms, at most 0.25 MB, at least 1.5%"
    assert Limits(min_top1=100).any
    with pytest.raises(InputError, match=r"min_top1=1 is not allowed; give percent"):
        Limits(min_top1=1)
