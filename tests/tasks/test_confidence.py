from __future__ import annotations

import numpy as np
import pytest

from zoo.tasks.confidence import above, calibration_error, reliability, threshold_for, wilson


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
