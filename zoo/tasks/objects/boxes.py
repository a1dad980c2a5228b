"""Boxes in numpy, for training and for the device: anchors, the coding of SSD, overlaps, and non-maximum suppression.

Boxes are left, top, right and bottom, in any unit. Anchors are centre y, centre x, height and width as fractions of the
model's input, and the four numbers that a model gives for each anchor have the same order, that of TensorFlow's Object
Detection API. The coding is that of Liu et al., "SSD: Single Shot MultiBox Detector" (2016), section 2.2, with the
variances written as scales.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.tasks.task import Array

LARGEST_CODE = 15.0
"""Largest absolute value of a coded box that an 8-bit file keeps. With SSD's scales it stands for a centre 1.5 anchors
away, or for 20 times the anchor's size, and an anchor learns boxes of which it covers half."""
ROOM = 1e-9
"""The least height and width of a box that is coded, so that its logarithm is a number."""
BLOCK = 64
"""The number of boxes that are compared with each other at once: tables that stay in a processor's cache."""


@dataclass(frozen=True)
class Coding:
    """How the four numbers of a box are coded relative to its anchor."""

    y_scale: float = 10.0
    x_scale: float = 10.0
    height_scale: float = 5.0
    width_scale: float = 5.0
    exponential: bool = True
    """Whether height and width are logarithms; else they are multiples of the anchor's."""

    def encode(self, boxes: Array, anchors: Array) -> Array:
        """Returns boxes as a model should give them.

        Args:
            boxes: `(n, 4)` boxes as fractions of the input.
            anchors: `(n, 4)` anchors, one for each box.

        Returns:
            `(n, 4)` float32.
        """
        left, top, right, bottom = np.asarray(boxes, np.float64).T
        y, x, height, width = np.asarray(anchors, np.float64).T
        high, wide = (np.maximum(bottom - top, ROOM) / height, np.maximum(right - left, ROOM) / width)
        if self.exponential:
            high, wide = np.log(high), np.log(wide)
        coded = (
            ((top + bottom) / 2 - y) / height * self.y_scale,
            ((left + right) / 2 - x) / width * self.x_scale,
            high * self.height_scale,
            wide * self.width_scale,
        )
        return np.stack(coded, axis=-1).astype(np.float32)

    def decode(self, coded: Array, anchors: Array) -> Array:
        """Returns the boxes that a model's numbers stand for: `(n, 4)` float64, as fractions of the input."""
        down, across, high, wide = np.asarray(coded, np.float64).T
        y, x, height, width = np.asarray(anchors, np.float64).T
        high, wide = high / self.height_scale, wide / self.width_scale
        if self.exponential:
            # A size of e**50 is no box, and larger powers are no numbers.
            high, wide = np.exp(np.minimum(high, 50)), np.exp(np.minimum(wide, 50))
        middle_y, middle_x = down / self.y_scale * height + y, across / self.x_scale * width + x
        half_high, half_wide = high * height / 2, wide * width / 2
        return np.stack(
            (middle_x - half_wide, middle_y - half_high, middle_x + half_wide, middle_y + half_high), axis=-1
        )


def make_anchors(grids: Sequence[tuple[int, int]], shapes: Sequence[Sequence[tuple[float, float]]]) -> Array:
    """Returns the anchors of all levels of a model, level by level, row by row, cell by cell.

    Args:
        grids: rows and columns of each level.
        shapes: heights and widths of the anchors in each cell of a level, as fractions of the input.

    Returns:
        `(anchors, 4)` float32: centre y, centre x, height, width.
    """
    levels = []
    for (rows, columns), sizes in zip(grids, shapes, strict=True):
        y, x, which = np.meshgrid(
            (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, np.arange(len(sizes)), indexing="ij"
        )
        height, width = np.array(sizes, np.float64).T[:, which]
        levels.append(np.stack((y, x, height, width), axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def paper_shapes(levels: int, *, lowest: float = 0.2, highest: float = 0.95) -> list[list[tuple[float, float]]]:
    """Returns heights and widths of the anchors of an SSD, as the paper and the Object Detection API choose them.

    The scales of the levels rise evenly. Each cell has anchors of the aspect ratios 1, 2, 1/2, 3, 1/3, and a square
    between its level's scale and the next; the first level has only a small square and the ratios 2 and 1/2.

    Args:
        levels: the number of levels, 2 or more.
        lowest: the scale of the first level, as a fraction of the input's side.
        highest: the scale of the last level.
    """
    scales = [lowest + (highest - lowest) * level / (levels - 1) for level in range(levels)] + [1.0]

    def shape(scale: float, ratio: float) -> tuple[float, float]:
        return scale / math.sqrt(ratio), scale * math.sqrt(ratio)

    first = [(0.1, 0.1), shape(scales[0], 2.0), shape(scales[0], 0.5)]
    others = [
        [shape(scale, ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)] + [(math.sqrt(scale * after),) * 2]
        for scale, after in itertools.pairwise(scales[1:])
    ]
    return [first, *others]


def areas(boxes: Array) -> Array:
    """Returns the areas of boxes `(n, 4)`; a box whose ends are swapped has none."""
    found: Array = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    return found


def overlaps(first: Array, second: Array) -> Array:
    """Returns the intersection over union of each box of `(n, 4)` with each of `(m, 4)`: `(n, m)`, 0..1."""
    # Column by column, since numpy is slow at short last axes, and a board decodes every frame by this.
    wide = np.minimum.outer(first[:, 2], second[:, 2]) - np.maximum.outer(first[:, 0], second[:, 0])
    high = np.minimum.outer(first[:, 3], second[:, 3]) - np.maximum.outer(first[:, 1], second[:, 1])
    common = np.maximum(wide, 0) * np.maximum(high, 0)
    union = areas(first)[:, np.newaxis] + areas(second)[np.newaxis] - common
    kind = np.result_type(common, np.float32)  # of whole numbers too
    found: Array = np.divide(common, union, out=np.zeros(common.shape, kind), where=union > 0)
    return found


def suppress(boxes: Array, scores: Array, classes: Array, *, iou: float, limit: int) -> Array:
    """Returns the indexes of the boxes that stay, best first: non-maximum suppression, class by class.

    A box goes where one of its own class with a better score overlaps it by more than `iou`.

    Args:
        boxes: `(n, 4)`.
        scores: `(n,)`.
        classes: `(n,)` indexes.
        iou: the overlap, 0..1.
        limit: the most boxes that stay.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, classes = boxes[order], classes[order]
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(order)))
        block = block[~_rivals(boxes, classes, kept, block, iou).any(axis=0)]
        kept = np.concatenate([kept, block[_best_first(_rivals(boxes, classes, block, block, iou))]])
        if len(kept) >= limit:
            break
    return order[kept[:limit]]


def _rivals(boxes: Array, classes: Array, first: Array, second: Array, iou: float) -> Array:
    """Returns whether each box of one list of indexes rules out each of another: `(n, m)`."""
    overlap = overlaps(boxes[first], boxes[second]) > iou
    rivals: Array = overlap & (classes[first, np.newaxis] == classes[second])
    return rivals


def _best_first(rivals: Array) -> list[int]:
    """Returns the rows that stay if each that stays rules out its later rivals; `rivals` is `(n, n)`, best first."""
    # Rows of bits as whole numbers: a loop over them is ten times as fast as one over rows of an array.
    rows = np.packbits(rivals, axis=1, bitorder="little")
    width, content = rows.shape[1], rows.tobytes()
    stays, gone = [], 0
    for at in range(len(rivals)):
        if not gone >> at & 1:
            stays.append(at)
            gone |= int.from_bytes(content[at * width : (at + 1) * width], "little")
    return stays
