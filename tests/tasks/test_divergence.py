"""How far two answers are apart."""

from __future__ import annotations

import numpy as np
import pytest

from tests import colours
from zoo.export.detectors import task_of
from zoo.tasks.classification import Classification
from zoo.tasks.divergence import divergence, of_boxes, of_classes, of_labels, of_values


def test_the_same_answers_are_not_apart() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
    for answers in ("class", "labels", "values"):
        assert divergence(Classification(answers=answers), [scores], [scores]) == pytest.approx(0, abs=1e-9)


def test_classes_are_apart_by_the_divergence_of_their_probabilities() -> None:
    first, second = np.array([[0.5, 0.5]]), np.array([[0.75, 0.25]])
    expected = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert of_classes(first, second) == pytest.approx(expected, rel=1e-6)
    logits = [np.log(one) + 3 for one in (first, second)]
    assert of_classes(*logits) == pytest.approx(expected, rel=1e-6)


def test_labels_count_one_by_one() -> None:
    first, second = np.array([[0.5, 0.9]]), np.array([[0.75, 0.9]])
    expected = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert of_labels(first, second) == pytest.approx(expected, rel=1e-6)


def test_boxes_count_as_much_as_there_is_an_object() -> None:
    first, second = np.zeros((1, 2, 4)), np.ones((1, 2, 4))
    assert of_boxes(first, second, np.array([[1.0, 0.0]])) == pytest.approx(2.0)


def test_a_detector_is_further_off_the_further_its_boxes_or_scores_are() -> None:
    model = colours.detector()
    task = task_of(model)
    outputs = [np.asarray(one) for one in model(colours.pictures()[:2])]
    assert divergence(task, outputs, outputs) == pytest.approx(0, abs=1e-6)
    boxes = next(i for i, one in enumerate(outputs) if one.shape[-1] == 4)
    off = []
    for shift in (0.1, 1.0):
        moved = list(outputs)
        moved[boxes] = outputs[boxes] + shift
        off.append(divergence(task, outputs, moved))
    assert 0 < off[0] < off[1] / 10
    unsure = [one if i == boxes else one * 0.5 for i, one in enumerate(outputs)]
    assert divergence(task, outputs, unsure) > 0.1


def test_values_are_apart_by_their_squares_over_twice_the_spread_of_the_inputs() -> None:
    first = np.array([[0.0, 10.0], [2.0, 12.0]])  # a variance of 1 over the inputs, and of 25 over the values
    assert of_values(first, first + 1) == pytest.approx(0.5)
    assert of_values(first[:1], first[:1] + 2) == pytest.approx(2.0)  # a single input has no spread


def test_labels_count_by_their_weights_and_certainty_is_no_infinity() -> None:
    first, second = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    assert of_labels(first, second) == pytest.approx(2 * np.log(2) / 2, rel=1e-3)
    assert of_labels(first, second, np.array([[1.0, 0.0], [1.0, 1.0]])) == pytest.approx(np.log(2) / 2, rel=1e-3)
    assert np.isfinite(of_labels(second, 1 - first))


def test_probabilities_with_a_zero_are_no_logits() -> None:
    first, second = np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])
    assert of_classes(first, second) == pytest.approx(np.log(2), rel=1e-3)
    logits = np.array([[1.5, -0.5]])  # their sum is 1
    assert of_classes(logits, np.exp(logits) / np.exp(logits).sum()) == pytest.approx(0, abs=1e-6)


def test_certainty_of_the_opposite_is_as_far_as_a_ten_millionth_of_a_chance() -> None:
    first, second = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert of_classes(first, second) == pytest.approx(np.log(1e7), rel=1e-3)
    assert of_labels(first[:, :1], second[:, :1]) == pytest.approx(np.log(1e7), rel=1e-3)
    assert of_labels(first[:, 1:], second[:, 1:]) == pytest.approx(np.log(1e7), rel=1e-3)


def test_probabilities_may_add_up_to_a_hundredth_more_or_less_than_one() -> None:
    exact = np.array([[0.9, 0.1]])
    for rounded, are in (
        ([[0.9, 0.105]], True),
        ([[0.9, 0.095]], True),
        ([[0.9, 0.12]], False),
        ([[0.9, 0.08]], False),
    ):
        assert (of_classes(exact, np.array(rounded)) < 0.01) is are
