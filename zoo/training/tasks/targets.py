"""Targets of a detector: which box and class each anchor has to learn, for a whole batch in a TensorFlow graph.

An anchor learns the box that it overlaps most, from an overlap of 0.5 on, and every box has the anchor that overlaps it
most, however little that is: Liu et al., "SSD: Single Shot MultiBox Detector" (2016), section 2.2, as TensorFlow's
Object Detection API does it. All other anchors learn that nothing is there. This module imports TensorFlow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data.boxes.loading import NO_CLASS
from zoo.tasks.objects.anchors import COVERED
from zoo.tasks.objects.boxes import Coding
from zoo.tasks.task import Array


class Matcher:
    """Matches padded labels with the anchors of a model."""

    def __init__(self, anchors: Array, coding: Coding | None = None) -> None:
        """Prepares the anchors, `(anchors, 4)`, and the coding of boxes; see `zoo.tasks.objects.boxes`."""
        self.coding = coding or Coding()
        self.anchors = np.asarray(anchors, np.float32)
        y, x, height, width = self.anchors.T
        self._corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)

    def __call__(self, labels: Any) -> tuple[Any, Any]:
        """Returns the targets of a batch.

        Args:
            labels: `(batch, most, 5)` float32, see `zoo.data.boxes.loading.DetectionData`.

        Returns:
            Coded boxes `(batch, anchors, 4)` float32, zeros where there is nothing to learn, and classes
            `(batch, anchors)` int32, -1 for nothing.
        """
        there = labels[..., 0] > NO_CLASS
        shared = tf.where(there[..., tf.newaxis], self._overlaps(labels[..., 1:]), 0.0)
        nearest = tf.one_hot(tf.argmax(shared, axis=2), len(self.anchors), on_value=True, off_value=False)
        forced = nearest & (tf.reduce_max(shared, axis=2) > 0)[..., tf.newaxis]
        # Of several boxes with one nearest anchor, it learns the one that it overlaps most.
        own = tf.argmax(tf.where(forced, shared, -1.0), axis=1, output_type=tf.int32)
        is_forced = tf.reduce_any(forced, axis=1)
        chosen = tf.where(is_forced, own, tf.argmax(shared, axis=1, output_type=tf.int32))
        learns = is_forced | (tf.reduce_max(shared, axis=1) >= COVERED)
        rows = tf.gather(labels, chosen, batch_dims=1)
        classes = tf.where(learns, tf.cast(rows[..., 0], tf.int32), NO_CLASS)
        return tf.where(learns[..., tf.newaxis], self._encode(rows[..., 1:]), 0.0), classes

    def _overlaps(self, boxes: Any) -> Any:
        """Returns the intersection over union of boxes `(batch, most, 4)` and anchors: `(batch, most, anchors)`."""
        left, top, right, bottom = (boxes[..., side, tf.newaxis] for side in range(4))
        corners = self._corners.T
        wide = tf.maximum(tf.minimum(right, corners[2]) - tf.maximum(left, corners[0]), 0.0)
        high = tf.maximum(tf.minimum(bottom, corners[3]) - tf.maximum(top, corners[1]), 0.0)
        shared = wide * high
        areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
        return shared / tf.maximum((right - left) * (bottom - top) + areas - shared, 1e-12)

    def _encode(self, boxes: Any) -> Any:
        """Returns boxes `(batch, anchors, 4)` as `Coding.encode` does it, which a test compares."""
        left, top, right, bottom = (boxes[..., side] for side in range(4))
        y, x, height, width = self.anchors.T
        coding = self.coding
        high, wide = tf.maximum(bottom - top, 1e-9) / height, tf.maximum(right - left, 1e-9) / width
        if coding.exponential:
            high, wide = tf.math.log(high), tf.math.log(wide)
        coded = (
            ((top + bottom) / 2 - y) / height * coding.y_scale,
            ((left + right) / 2 - x) / width * coding.x_scale,
            high * coding.height_scale,
            wide * coding.width_scale,
        )
        return tf.stack(coded, axis=-1)
