"""The loss of a detector: focal loss of the scores, and smooth L1 of the coded boxes. This module imports Keras.

Lin et al., "Focal Loss for Dense Object Detection" (2017, https://arxiv.org/abs/1708.02002), equation 5, on independent
probabilities, so that no class stands for the background; Girshick, "Fast R-CNN" (2015,
https://arxiv.org/abs/1504.08083), equation 3.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

ALPHA, GAMMA = 0.25, 1.5
"""Weight of the anchors that show something, and how much less those count that are sure already. In trials gamma 1.5
was at least as good as the paper's 2, and other values of alpha changed nothing."""
LEAST = 1e-7
"""The least probability whose logarithm is taken."""


@keras.saving.register_keras_serializable(package="edgezoo")
class DetectionLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """The loss of each picture: of scores and boxes, summed over its anchors.

    The sum is divided by how many anchors of a training picture show something on average. Many implementations divide
    by their number in the batch. That number is another on each device, and a picture would count more or less by its
    neighbours in the batch; on average over the batches both are the same.

    Args:
        positives: that number.
        **others: of every Keras loss.
    """

    def __init__(self, positives: float = 1.0, **others: Any) -> None:
        super().__init__(**{"name": "detection_loss"} | others)
        self.positives = float(positives)

    def call(self, targets: Any, outputs: Any) -> Any:
        """Returns the loss of each picture, `(batch,)` float32.

        Args:
            targets: coded boxes and classes, see `zoo.training.tasks.targets.Matcher`.
            outputs: coded boxes `(batch, anchors, 4)` and probabilities `(batch, anchors, classes)`.
        """
        (codes, classes), (boxes, scores) = targets, (tf.cast(one, tf.float32) for one in outputs)
        return (focal(classes, scores) + box_loss(codes, classes, boxes)) / self.positives

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, as JSON can hold them."""
        return {**super().get_config(), "positives": self.positives}


def focal(classes: Any, scores: Any) -> Any:
    """Returns the focal loss of probabilities, summed over anchors and classes: `(batch,)`."""
    is_it = tf.one_hot(classes, scores.shape[-1], on_value=True, off_value=False)
    right = tf.clip_by_value(tf.where(is_it, scores, 1 - scores), LEAST, 1 - LEAST)
    weight = tf.where(is_it, ALPHA, 1 - ALPHA)
    return tf.reduce_sum(-weight * (1 - right) ** GAMMA * tf.math.log(right), axis=(1, 2))


def box_loss(codes: Any, classes: Any, boxes: Any) -> Any:
    """Returns smooth L1 with beta 1, summed over the four codes of the anchors that show something: `(batch,)`."""
    off = tf.abs(boxes - codes)
    each = tf.reduce_sum(tf.where(off < 1, off**2 / 2, off - 0.5), axis=-1)
    return tf.reduce_sum(tf.where(classes >= 0, each, 0.0), axis=1)
