from __future__ import annotations

import numpy as np
import pytest

from zoo.tasks.confidence import (
    STEPS,
    Above,
    above,
    calibration_error,
    dicts_above,
    error_of,
    reliability,
    section_above,
    threshold_for,
    thresholds_of,
    wilson,
)


def test_wilsons_interval_has_the_published_values() -> None:
    # Newcombe ("Two-sided confidence intervals for the single proportion", 1998), table I, method 3.
    for right, count, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)
    assert wilson(29, 29)[1] == 1
    assert wilson(0, 0) == (0, 1)


def test_wilsons_interval_holds_the_true_share_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(0)
    for count, share in [(20, 0.9), (100, 0.5), (300, 0.97)]:
        intervals = [wilson(int(right), count) for right in rng.binomial(count, share, 4000)]
        assert 0.92 < np.mean([low <= share <= high for low, high in intervals]) < 0.98


def test_scores_that_are_the_accuracy_have_no_calibration_error() -> None:
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.3, 1, 20_000)
    right = rng.uniform(size=scores.size) < scores
    assert calibration_error(scores, right) < 0.015
    assert calibration_error(np.sqrt(scores), right) > 0.08
    assert calibration_error(np.full(10, 0.9), np.arange(10) < 5) == pytest.approx(0.4)


def test_a_score_of_one_lies_in_the_last_bin() -> None:
    bins = reliability(np.array([0.0, 1.0, 1.0]), np.array([False, True, False]), bins=4)
    assert [one.count for one in bins] == [1, 0, 0, 2]
    assert (bins[3].low, bins[3].high, bins[3].score, bins[3].accuracy) == (0.75, 1, 1, 0.5)


def test_accuracy_and_coverage_above_a_score() -> None:
    scores, right = np.array([0.2, 0.5, 0.6, 0.9]), np.array([False, False, True, True])
    found = above(scores, right, (0, 0.5, 0.95))
    assert [(one.count, one.coverage, one.accuracy) for one in found] == [
        (4, 1, 0.5),
        (3, 0.75, pytest.approx(2 / 3)),
        (0, 0, None),
    ]


def test_the_threshold_for_a_precision_is_the_lowest_that_reaches_it() -> None:
    scores = np.linspace(0, 0.99, 100)
    right = scores >= 0.4
    found = threshold_for(0.9, scores, right)
    assert found is not None
    assert found.accuracy is not None
    assert found.accuracy >= 0.9 > float(right[scores >= found.min_score - 0.01].mean())
    assert threshold_for(0.9, scores, np.zeros(100, bool)) is None
    # Few answers show no precision.
    assert threshold_for(0.9, scores[-9:], right[-9:]) is None


ANSWERS = [(0.9, True)] * 9 + [(0.9, False), (0.3, False)]
"""Eleven answers, of which ten have a score of 0.9."""


def test_a_threshold_needs_ten_answers_and_reaches_the_precision_exactly() -> None:
    found = thresholds_of(ANSWERS)
    assert [one["precision"] for one in found] == [0.8, 0.9, 0.95, 0.99]
    wanted = {"min_score": 0.0, "count": 11, "coverage": 1.0, "accuracy": pytest.approx(9 / 11)}
    assert found[0] == {"precision": 0.8, **wanted}
    assert found[1] == {"precision": 0.9, "min_score": 0.31, "count": 10, "coverage": 10 / 11, "accuracy": 0.9}
    assert found[2] == {"precision": 0.95, "min_score": None, "count": None, "coverage": None, "accuracy": None}
    scores, right = np.full(10, 0.5), np.ones(10, bool)
    assert threshold_for(1.0, scores, right) == Above(0.0, 10, 1.0, 1.0)
    assert threshold_for(1.0, scores[:9], right[:9]) is None


def test_the_scores_that_are_tried_have_two_digits_and_end_below_one() -> None:
    assert (STEPS[0], STEPS[1], STEPS[57], STEPS[-1], len(STEPS)) == (0.0, 0.01, 0.57, 0.99, 100)


def test_the_printed_table_has_a_row_for_each_shown_score() -> None:
    (section,) = section_above(ANSWERS)
    assert [row[0] for row in section.rows] == ["0.00", "0.50", "0.60", "0.70", "0.80", "0.90", "0.95"]
    assert section.rows[0] == ("0.00", "11", "100.0%", "81.8%")
    assert section.rows[5] == ("0.90", "10", "90.9%", "90.0%")
    assert section.rows[6] == ("0.95", "0", "0.0%", "")
    assert dicts_above(ANSWERS)[5] == {"min_score": 0.9, "count": 10, "coverage": 10 / 11, "accuracy": 0.9}


def test_a_single_answer_covers_all_and_none_is_no_error() -> None:
    assert above(np.array([0.6]), np.array([True]), (0.5,)) == [Above(0.5, 1, 1.0, 1.0)]
    assert above(np.empty(0), np.empty(0, bool), (0.5,)) == [Above(0.5, 0, 0.0, None)]
    assert (error_of([]), thresholds_of([]), dicts_above([]), section_above([])) == (None, [], [], [])


def test_there_are_fifteen_bins_and_an_empty_one_counts_nothing() -> None:
    bins = reliability(np.array([0.99 / 15, 1 / 15]), np.array([True, False]))
    assert [one.count for one in bins] == [1, 1] + [0] * 13
    assert (bins[1].low, bins[1].high) == (1 / 15, 2 / 15)
    assert (bins[2].score, bins[2].accuracy) == (0.0, 0.0)
    assert error_of([(0.25, True), (0.75, False)]) == pytest.approx(0.75)
