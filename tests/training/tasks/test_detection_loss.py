from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.training.tasks.detection_loss import DetectionLoss, box_loss, focal


def test_the_focal_loss_is_that_of_the_paper() -> None:
    classes = np.array([[1, -1]])
    scores = np.array([[[0.1, 0.7], [0.2, 0.05]]], np.float32)
    expected = -0.25 * 0.3**1.5 * np.log(0.7)
    expected -= 0.75 * sum(p**1.5 * np.log(1 - p) for p in (0.1, 0.2, 0.05))
    np.testing.assert_allclose(focal(classes, scores), [expected], rtol=1e-5)


def test_the_boxes_of_anchors_that_show_nothing_do_not_count() -> None:
    codes = np.zeros((1, 3, 4), np.float32)
    boxes = np.array([[[0.5, 0, 0, 0], [3, -3, 0, 0], [9, 9, 9, 9]]], np.float32)
    np.testing.assert_allclose(box_loss(codes, np.array([[0, 2, -1]]), boxes), [0.125 + 2.5 + 2.5])


def test_the_loss_of_each_picture_and_its_gradient_are_numbers_whatever_the_scores_are() -> None:
    import tensorflow as tf

    classes = tf.constant([[0, -1], [-1, 0]])
    scores = tf.Variable([[[0.0], [1.0]], [[1.0], [0.0]]])
    boxes = tf.Variable(tf.fill((2, 2, 4), 1e4))
    with tf.GradientTape() as tape:
        losses = DetectionLoss(2.0).call((tf.zeros((2, 2, 4)), classes), [boxes, scores])
    assert losses.shape == (2,)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(one).all() for one in tape.gradient(losses, [scores, boxes]))


def test_half_precision_outputs_are_compared_in_float32() -> None:
    import tensorflow as tf

    targets = (tf.zeros((1, 2, 4)), tf.constant([[0, -1]]))
    outputs = [tf.fill((1, 2, 4), 0.5), tf.fill((1, 2, 3), 0.25)]
    whole = DetectionLoss().call(targets, outputs)
    half = DetectionLoss().call(targets, [tf.cast(one, tf.bfloat16) for one in outputs])
    assert half.dtype == tf.float32
    np.testing.assert_allclose(half, whole)


def test_a_model_that_was_compiled_with_it_is_read_again(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4, 4))
    model = keras.Model(inputs, [inputs, keras.layers.Activation("sigmoid")(inputs)])
    model.compile("adam", DetectionLoss(3.5))
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").loss.positives == pytest.approx(3.5)
