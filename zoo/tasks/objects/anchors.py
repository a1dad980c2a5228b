"""Anchors for the boxes at hand: their heights and widths, and how many boxes they cover.

Sizes are `(n, 2)` heights and widths of boxes, as fractions of the model's input, after the picture was resized to it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from zoo.tasks.task import Array

COVERED = 0.5
"""The overlap from which an anchor covers a box; a training takes such anchors as its targets."""
ROOM = 2.5
"""The least side of a box, in strides, of the boxes that belong to a level."""
FEW = 0.03
"""A level with a smaller share of the boxes keeps its default anchors."""
DEFAULT_SIDE = 4.0
"""The side of the default anchors of a level without boxes, in strides."""
ROUNDS = 30
"""The most rounds of k-means, which is settled after about ten."""
RATIOS = (1.0, 2.0, 0.5)
"""Width to height of the default anchors of a cell, besides a square that is larger."""

Shape = tuple[float, float]


def default_shapes(levels: int, *, lowest: float = 0.15, highest: float = 0.8) -> list[list[Shape]]:
    """Returns heights and widths of the default anchors, four in each cell, after the rule of the SSD paper.

    The scales of the levels rise evenly. Each cell has anchors of its level's scale with the aspect ratios 1, 2 and
    1/2, and a square between this scale and the next.

    Args:
        levels: the number of levels, 2 or more.
        lowest: the scale of the first level, as a fraction of the input's side.
        highest: the scale of the last level.
    """
    scales = [lowest + (highest - lowest) * level / (levels - 1) for level in range(levels)] + [1.0]
    found = []
    for scale, after in itertools.pairwise(scales):
        shapes = [(scale / math.sqrt(ratio), scale * math.sqrt(ratio)) for ratio in RATIOS]
        found.append([*shapes, (math.sqrt(scale * after),) * 2])
    return found


def fit(sizes: Array, grids: Sequence[tuple[int, int]], *, per_cell: int = 4, seed: int = 0) -> list[list[Shape]]:
    """Returns heights and widths of anchors that fit boxes, level by level.

    A box belongs to the coarsest level whose stride is at most `sqrt(area) / 2.5`, so that its centre is near one of a
    cell. The anchors of a level are the centres of k-means among its boxes, with `1 - IoU` as the distance. A level
    with less than 3% of the boxes, or with fewer boxes than anchors, has the default anchors of its stride: of an area
    of 4 by 4 strides, in the aspect ratios 1, 2 and 1/2, and a square that is larger by the square root of 2.

    Args:
        sizes: `(n, 2)` heights and widths of the boxes that a model is to be trained on.
        grids: rows and columns of the model's levels, the finest first.
        per_cell: the number of anchors in each cell.
        seed: decides which boxes the search begins with.
    """
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    sizes = sizes[(sizes > 0).all(axis=1)]
    strides = np.array([1 / math.sqrt(rows * columns) for rows, columns in grids])
    sides = np.sqrt(sizes.prod(axis=1))
    at = np.maximum((strides[np.newaxis] <= sides[:, np.newaxis] / ROOM).sum(axis=1) - 1, 0)
    found = []
    for level, stride in enumerate(strides):
        mine = sizes[at == level]
        if len(mine) < max(per_cell, FEW * len(sizes)):
            found.append(_usual(DEFAULT_SIDE * float(stride), per_cell))
        else:
            found.append(_centres(mine, per_cell, np.random.default_rng((seed, level))))
    return found


def cover(boxes: Array, grids: Sequence[tuple[int, int]], shapes: Sequence[Sequence[Shape]]) -> Array:
    """Returns the largest overlap of each box with an anchor, `(n,)`; see `COVERED`.

    Args:
        boxes: `(n, 4)` left, top, right and bottom, as fractions of the model's input.
        grids: rows and columns of each level.
        shapes: heights and widths of the anchors in each cell of a level.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    best = np.zeros(len(boxes))
    # Anchors of one shape differ by where they are: only the nearest cells to a box's centre can overlap it most.
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    wide, high = (boxes[:, 2:] - boxes[:, :2]).T
    for (rows, columns), level in zip(grids, shapes, strict=True):
        x = (np.clip(np.floor(centres[:, 0] * columns), 0, columns - 1) + 0.5) / columns
        y = (np.clip(np.floor(centres[:, 1] * rows), 0, rows - 1) + 0.5) / rows
        for height, width in level:
            across = np.minimum(boxes[:, 2], x + width / 2) - np.maximum(boxes[:, 0], x - width / 2)
            down = np.minimum(boxes[:, 3], y + height / 2) - np.maximum(boxes[:, 1], y - height / 2)
            shared = np.maximum(across, 0) * np.maximum(down, 0)
            best = np.maximum(best, shared / np.maximum(wide * high + height * width - shared, 1e-12))
    return best


def _usual(side: float, count: int) -> list[Shape]:
    shapes = [(side / math.sqrt(ratio), side * math.sqrt(ratio)) for ratio in RATIOS]
    larger = [(side * math.sqrt(2) ** n,) * 2 for n in range(1, max(2, count))]
    return [*shapes, *larger][:count]


def _centres(sizes: Array, count: int, random: np.random.Generator) -> list[Shape]:
    """Returns the centres of k-means among sizes, the smallest first, with `1 - IoU` as the distance."""
    centres = _spread(sizes, count, random)
    nearest = np.full(len(sizes), -1)
    for _ in range(ROUNDS):
        now = _overlaps(sizes, centres).argmax(axis=1)
        if (now == nearest).all():
            break
        nearest = now
        for one in range(count):
            if (nearest == one).any():
                centres[one] = sizes[nearest == one].mean(axis=0)
    ordered = centres[np.argsort(centres.prod(axis=1), kind="stable")]
    return [(float(height), float(width)) for height, width in ordered]


def _spread(sizes: Array, count: int, random: np.random.Generator) -> Array:
    """Returns sizes to begin with that are far from each other, as k-means++ chooses them."""
    centres = sizes[random.integers(len(sizes))][np.newaxis]
    while len(centres) < count:
        far = 1 - _overlaps(sizes, centres).max(axis=1)
        total = far.sum()
        chosen = random.choice(len(sizes), p=far / total) if total > 1e-12 else random.integers(len(sizes))
        centres = np.concatenate((centres, sizes[chosen][np.newaxis]))
    return np.array(centres)


def _overlaps(sizes: Array, centres: Array) -> Array:
    """Returns the IoU of boxes and anchors with one centre, `(n, anchors)`."""
    shared = np.minimum(sizes[:, np.newaxis], centres[np.newaxis]).prod(axis=2)
    found: Array = shared / (sizes.prod(axis=1)[:, np.newaxis] + centres.prod(axis=1)[np.newaxis] - shared)
    return found
