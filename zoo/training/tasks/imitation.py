"""Losses that compare a teacher's outputs with those of the model that learns from it. This module imports TensorFlow.

Hinton et al., "Distilling the Knowledge in a Neural Network" (2015, https://arxiv.org/abs/1503.02531), section 2: the
logits of both are divided by a temperature, so that what the teacher thinks of the wrong classes counts, and the loss
is multiplied by the temperature's square, so that its gradients stay as large. A model gives probabilities, not
logits. The logarithm of a softmax's probabilities is its logits but for a constant, which the next softmax takes away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

LEAST = float(np.finfo(np.float32).tiny)
"""The least probability of a softmax whose logarithm is taken."""
SURE = 1e-6
"""The least distance of a sigmoid's probability from 0 and 1."""


def divergence(answers: Any, outputs: Any, temperature: float) -> Any:
    """Returns the Kullback-Leibler divergence of a classifier's scores from its teacher's, `(batch,)` float32.

    Args:
        answers: the teacher's probabilities, `(batch, classes)`.
        outputs: the model's.
        temperature: the number by which the logits are divided.
    """
    taught, learnt = (_log_softmax(one, temperature) for one in (answers, outputs))
    return temperature**2 * tf.reduce_sum(tf.exp(taught) * (taught - learnt), axis=-1)


def detection_divergence(answers: Any, outputs: Any, temperature: float) -> Any:
    """Returns how far a detector's scores and boxes are from its teacher's, summed over the anchors: `(batch,)`.

    Each score is a probability of its own. It counts as much as the surer of the two models takes it for an object,
    because nearly all anchors show nothing, on which both agree; a box counts as much as the teacher is sure of it.

    Args:
        answers: the teacher's coded boxes `(batch, anchors, 4)` and probabilities `(batch, anchors, classes)`.
        outputs: the model's.
        temperature: the number by which the logits of the probabilities are divided.
    """
    (taught_boxes, taught), (boxes, scores) = answers, outputs
    weight = tf.stop_gradient(tf.maximum(taught, scores))
    soft, own = (_log_odds(one) / temperature for one in (taught, scores))
    target = tf.sigmoid(soft)
    # Less the teacher's own entropy, so that two equal models have the loss 0.
    apart = tf.nn.sigmoid_cross_entropy_with_logits(target, own) - tf.nn.sigmoid_cross_entropy_with_logits(target, soft)
    off = tf.abs(boxes - taught_boxes)
    moved = tf.reduce_sum(tf.where(off < 1, off**2 / 2, off - 0.5), axis=-1)
    sure = tf.reduce_max(taught, axis=-1)
    return temperature**2 * tf.reduce_sum(weight * apart, axis=(1, 2)) + tf.reduce_sum(sure * moved, axis=1)


def _log_softmax(scores: Any, temperature: float) -> Any:
    return tf.nn.log_softmax(tf.math.log(tf.maximum(scores, LEAST)) / temperature)


def _log_odds(scores: Any) -> Any:
    inside = tf.clip_by_value(scores, SURE, 1 - SURE)
    return tf.math.log(inside) - tf.math.log1p(-inside)
