"""The confusion matrix: what shows that a model has learned nothing."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.tasks.confusion import Confusion


def of(*rows: list[int]) -> Confusion:
    return Confusion(("ant", "bee", "cat")[: len(rows)], np.array(rows, np.int64))


@pytest.mark.parametrize(
    "rows",
    [
        ([8, 2], [1, 9]),
        ([85, 15], [2, 8]),  # less often right than who always says the first, and yet it tells them apart
        ([5, 0], [0, 5]),
        ([12, 0], [0, 0]),  # there is but one class to tell
        ([0, 12], [0, 0]),
        ([9, 0], [0, 0]),
        ([4, 0], [5, 0]),  # too few to tell
    ],
)
def test_a_model_that_tells_classes_apart_is_not_doubted(rows: tuple[list[int], list[int]]) -> None:
    assert of(*rows).doubt() == ""


def test_one_answer_to_everything() -> None:
    assert of([0, 7, 0], [0, 5, 0], [0, 3, 0]).doubt() == "all 15 answers are 'bee'"


@pytest.mark.parametrize("rows", [([10, 10], [10, 10]), ([11, 9], [9, 11]), ([90, 10], [9, 1]), ([2, 18], [17, 3])])
def test_a_model_that_guesses_is_doubted(rows: tuple[list[int], list[int]]) -> None:
    found = of(*rows)
    assert found.doubt() == (
        f"a class is found in {found.balanced_accuracy:.1%} of its examples on average, and guessing finds 50.0%"
    )


def test_the_bound_is_one_that_chance_passes_in_one_case_of_twenty() -> None:
    """A hundred fair coins show 58 heads or fewer in 95.6% of all cases."""
    assert of([29, 21], [21, 29]).doubt()
    assert not of([30, 20], [21, 29]).doubt()


def test_classes_without_pictures_do_not_count() -> None:
    assert "guessing finds 50.0%" in of([5, 5, 2], [5, 5, 2], [0, 0, 0]).doubt()
