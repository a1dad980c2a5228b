"""The losses that compare a teacher's outputs with those of the model that learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import Array
from zoo.training.tasks.imitation import detection_divergence, divergence


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_logarithm_of_the_scores_stands_for_the_logits(temperature: float) -> None:
    taught, learnt = np.random.default_rng(0).normal(0, 3, (2, 5, 7))
    soft, own = softmax(taught / temperature), softmax(learnt / temperature)
    expected = temperature**2 * (soft * np.log(soft / own)).sum(axis=-1)
    found = divergence(softmax(taught), softmax(learnt), temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_equal_scores_have_no_loss_and_scores_of_zero_a_finite_one() -> None:
    scores = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], np.float32)
    np.testing.assert_allclose(divergence(scores, scores, 2.0), 0, atol=1e-6)
    other = tf.Variable([[0.0, 1.0, 0.0], [0.3, 0.3, 0.4]])
    with tf.GradientTape() as tape:
        loss = divergence(scores, other, 2.0)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, other)).all()
    assert (np.asarray(loss) > 0).all()


def test_the_gradient_does_not_shrink_with_the_temperature() -> None:
    taught = softmax(np.array([[0.5, 0.0, -0.5]]))
    sizes = []
    for temperature in (5.0, 20.0):
        logits = tf.Variable([[0.0, 0.2, 0.1]])
        with tf.GradientTape() as tape:
            loss = divergence(taught, tf.nn.softmax(logits), temperature)
        sizes.append(float(tf.norm(tape.gradient(loss, logits))))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def detector(anchors: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    boxes = rng.normal(0, 1, (2, anchors, 4)).astype(np.float32)
    return [boxes, sigmoid(rng.normal(-3, 2, (2, anchors, 3)))]


def test_equal_detectors_have_no_loss_and_others_have_one() -> None:
    one, other = detector(6, 0), detector(6, 1)
    np.testing.assert_allclose(detection_divergence(one, one, 2.0), 0, atol=1e-5)
    assert (np.asarray(detection_divergence(one, other, 2.0)) > 0.1).all()


def test_a_box_counts_as_much_as_the_teacher_is_sure_of_it() -> None:
    boxes, scores = np.zeros((1, 2, 4), np.float32), np.array([[[0.9], [0.1]]], np.float32)
    losses = []
    for anchor in range(2):
        moved = boxes.copy()
        moved[0, anchor, 0] = 3.0
        losses.append(float(detection_divergence([boxes, scores], [moved, scores], 1.0)[0]))
    assert losses[0] == pytest.approx(0.9 * 2.5, rel=1e-4)
    assert losses[1] == pytest.approx(0.1 * 2.5, rel=1e-4)


def test_an_anchor_on_which_both_see_nothing_hardly_counts() -> None:
    boxes = np.zeros((1, 1, 4), np.float32)

    def loss(taught: float, learnt: float) -> float:
        first, second = (np.full((1, 1, 1), score, np.float32) for score in (taught, learnt))
        return float(detection_divergence([boxes, first], [boxes, second], 1.0)[0])

    assert loss(0.01, 0.02) < 1e-3
    # Whichever of the two is sure, it counts.
    assert loss(0.02, 0.9) > 1
    assert loss(0.9, 0.02) > 1
    assert np.isfinite(loss(0.0, 1.0))
