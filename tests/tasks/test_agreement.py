"""Each measure of agreement passes what is the same and fails what is not, whatever a model's answers are."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.tasks.agreement import MEASURES, Answers, same_class, same_labels, same_values
from zoo.tasks.classification import CLASSIFICATION

RNG = np.random.default_rng(0)
CLASSES = RNG.dirichlet(np.ones(4), 32).astype(np.float32)
RARE = RNG.uniform(0, 0.45, (32, 6)).astype(np.float32)  # labels of which none is ever decided for
LABELS = RNG.uniform(0, 1, (32, 6)).astype(np.float32)
VALUES = RNG.normal(3, 1, (32, 16)).astype(np.float32)
ONE = RNG.normal(50, 10, (32, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("answers", "reference"),
    [("class", CLASSES), ("labels", LABELS), ("labels", RARE), ("values", VALUES), ("values", ONE)],
)
def test_a_file_that_answers_nothing_fails(answers: Answers, reference: np.ndarray) -> None:
    measure = MEASURES[answers]
    assert measure(reference, reference).share == 1
    # As rounding to 8 bits moves it.
    moved = reference + RNG.normal(0, 0.01 * reference.std(), reference.shape).astype(np.float32)
    assert measure(reference, moved).share > 0.9
    for constant in (reference[:1], np.zeros_like(reference[:1]), reference.mean(axis=0, keepdims=True)):
        assert measure(reference, np.broadcast_to(constant, reference.shape)).share < 0.6
    assert measure(reference, reference[::-1]).share < 0.6


def test_labels_by_hand() -> None:
    reference = np.array([[0.9, 0.1], [0.51, 0.9], [0.6, 0.2], [0.1, 0.0]])
    outputs = np.array([[0.8, 0.2], [0.48, 0.9], [0.4, 0.2], [0.49, 0.2]])
    # The second differs in its decision by rounding alone, the third for real, the fourth in its scores.
    found = same_labels(reference, outputs)
    assert found.share == found.figures["inputs"] == 0.5
    assert found.figures["decisions"] == 6 / 8


def test_values_by_hand() -> None:
    reference = np.array([[0.0, 2.0], [2.0, 0.0], [0.0, -2.0], [-2.0, 0.0]])  # all 2 from their mean
    outputs = np.array([[0.0, 2.9], [2.0, 1.1], [0.0, -4.0], [2.0, 0.0]])
    found = same_values(reference, outputs)
    assert found.figures["close"] == 0.25
    assert found.figures["cosine"] == pytest.approx((1 + 2 / np.hypot(2, 1.1) + 1 - 1) / 4)
    assert "cosine" not in same_values(ONE, ONE).figures


def test_what_the_reference_says_of_all_inputs_alike_is_a_doubt() -> None:
    same = np.tile(np.array([[0.1, 0.7, 0.2]]), (8, 1))
    assert same_class(same, same).doubt == "the same class"
    assert same_labels(same, same).doubt == "the same labels"
    assert same_values(same, same).doubt == "nearly the same values"
    for measure, reference in ((same_class, CLASSES), (same_labels, LABELS), (same_values, VALUES)):
        assert measure(reference, reference).doubt == ""
    assert same_class(same[:1], same[:1]).doubt == ""  # of a single input everything is the same


def test_the_task_compares_by_what_its_answers_are() -> None:
    assert CLASSIFICATION.agreement([RARE], [RARE]).meaning == "names the same class as Keras"
    labels = CLASSIFICATION._replace(answers="labels")
    assert labels.agreement([RARE], [np.zeros_like(RARE)]).share < 0.6
    values = CLASSIFICATION._replace(answers="values")
    assert values.agreement([VALUES[:, None, None]], [VALUES[:, None, None]]).figures["close"] == 1


def test_the_best_five_hold_the_references_best() -> None:
    reference = np.eye(7)[[6, 6]]
    outputs = np.array([[9, 8, 7, 6, 0, 0, 5], [9, 8, 7, 6, 5, 0, 4]], float)
    assert same_class(reference, outputs).figures == {"top1": 0.0, "top5": 0.5}


def test_five_classes_have_no_best_five() -> None:
    reference, outputs = np.eye(5)[[4, 4]], np.eye(5)[[4, 3]]
    assert same_class(reference, outputs).figures == {"top1": 0.5}


def test_of_two_inputs_that_are_answered_alike_there_is_a_doubt_and_of_one_none() -> None:
    for measure, values in ((same_class, CLASSES), (same_labels, LABELS), (same_values, VALUES)):
        two = np.repeat(values[:1], 2, axis=0)
        assert measure(two, two).doubt != ""
        assert measure(values[:1], values[:1]).doubt == ""


def test_a_score_of_a_half_is_a_yes() -> None:
    reference, outputs = np.array([[0.5, 0.9], [0.1, 0.9]]), np.array([[0.6, 0.9], [0.1, 0.9]])
    assert same_labels(reference, outputs).figures["decisions"] == 1.0
    assert same_labels(reference, outputs).share == 1.0


def test_values_that_are_all_zero_have_the_direction_of_zeros_alone() -> None:
    reference = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
    outputs = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert same_values(reference, outputs).figures["cosine"] == pytest.approx(1 / 3)
    assert same_values(reference, reference).figures["cosine"] == pytest.approx(1)


def test_values_may_be_off_by_a_fiftieth_of_their_size_where_they_hardly_differ() -> None:
    reference = np.array([[100.0, 0.0], [100.0, 1e-3]])
    assert same_values(reference, reference + np.array([1.9, 0.0])).share == 1
    assert same_values(reference, reference + np.array([2.1, 0.0])).share == 0


def test_values_that_are_off_by_just_half_of_their_spread_are_close() -> None:
    reference = np.array([[0.0, 2.0], [2.0, 0.0], [0.0, -2.0], [-2.0, 0.0]])  # all 2 from their mean
    assert same_values(reference, reference + np.array([1.0, 0.0])).share == 1
    assert same_values(reference, reference + np.array([1.001, 0.0])).share == 0


def test_labels_follow_by_half_of_their_spread_or_slightly_where_they_hardly_differ() -> None:
    """Four labels, so that the slight difference of each, 0.05, is 0.1 of all of them."""
    yes, no = np.full(4, 0.9), np.full(4, 0.1)
    reference = np.array([yes, no])  # both 0.8 from their mean
    assert same_labels(reference, reference - 0.19).share == 1
    assert same_labels(reference, reference - 0.21).share == 0
    alike = np.array([no, no])
    assert same_labels(alike, alike + 0.049).share == 1
    assert same_labels(alike, alike + 0.051).share == 0


def test_scores_on_both_sides_of_a_half_may_differ_slightly() -> None:
    # 1/16 and 1/32 are exact: the one is above 0.05, the other below.
    reference = np.array([[0.5, 0.9], [0.5, 0.9], [0.5, 0.1], [0.5, 0.1]])
    for differ, share in ((1 / 32, 1), (1 / 16, 0)):
        assert same_labels(reference, reference - np.array([differ, 0.0])).share == share


def test_a_spread_of_a_fiftieth_of_the_size_is_a_doubt() -> None:
    for far, doubt in ((1.0, "nearly the same values"), (1.1, "")):
        # Both inputs are that far from their mean, of a length near 50.
        reference = np.array([[50.0, far], [50.0, -far]])
        assert same_values(reference, reference).doubt == doubt
