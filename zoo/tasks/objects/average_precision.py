"""COCO's average precision for boxes, in numpy.

The definition is that of cocoeval in the COCO API: average precision at the overlaps 0.50, 0.55 ... 0.95, over 101
levels of recall, with precision made monotone; each detection, the best first, takes the free box of its class that it
overlaps most. At most 100 detections of a class count in a picture. Sizes are areas in pixels of the upright picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.tasks.objects.boxes import areas, overlaps
from zoo.tasks.task import Array

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 100
"""The most detections of one class in a picture."""
SIZES = {"all": (0.0, math.inf), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, math.inf)}
"""The least and largest area of the boxes that count, by name; other boxes count neither for nor against a file."""


@dataclass(frozen=True, eq=False)
class Matched:
    """The detections of one class in one picture, compared with the truth."""

    scores: Array
    """`(detections,)`, the best first."""
    right: Array
    """`(10, detections)`: whether each takes a box of the truth, at each overlap."""
    ignored: Array
    """`(10, detections)`: whether it does not count, because of its size or that of the box it takes."""
    boxes: int
    """Number of boxes of the truth that count."""
    rows: Array
    """`(detections,)`: the row of each among the boxes that were given."""
    takes: Array
    """`(detections,)`: the row of the box of the truth that each takes at the least overlap, 0.5; -1 for none."""


def matched(truth: Array, found: Array, scores: Array, size: tuple[float, float]) -> Matched:
    """Compares the boxes of one class in one picture with the truth.

    Args:
        truth: `(m, 4)` boxes of the truth.
        found: `(n, 4)` boxes of the detector.
        scores: `(n,)`.
        size: the least and the largest area that counts.
    """
    order = np.argsort(-scores, kind="stable")[:MOST]
    found, scores = found[order], scores[order]
    aside = _outside(truth, size)
    # Boxes that count stand first: they are taken before those that do not.
    by_count = np.argsort(aside, kind="stable")
    truth, aside = truth[by_count], aside[by_count]
    counting = int((~aside).sum())
    shared = overlaps(found, truth)
    reach = shared.max(axis=1, initial=0)  # most of a hundred detections reach no box of the truth
    right = np.zeros((len(OVERLAPS), len(found)), bool)
    ignored = np.zeros_like(right)
    takes = np.full(len(found), -1)
    for level, least in enumerate(OVERLAPS):
        free = np.ones(len(truth), bool)
        for at in np.flatnonzero(reach >= least):
            taken = _best(shared[at], free, least, counting)
            if taken is not None:
                free[taken] = False
                right[level, at], ignored[level, at] = True, aside[taken]
                if level == 0:
                    takes[at] = by_count[taken]
    return Matched(scores, right, ignored | (~right & _outside(found, size)), counting, order, takes)


def _outside(boxes: Array, size: tuple[float, float]) -> Array:
    found = areas(boxes)
    outside: Array = (found < size[0]) | (found > size[1])
    return outside


def _best(shared: Array, free: Array, least: float, counting: int) -> int | None:
    """The free box with the largest overlap among those that count, else among the others; of equal ones the last."""
    for start, end in ((0, counting), (counting, len(shared))):
        fits = np.where(free[start:end], shared[start:end], -1.0)
        if len(fits) and fits.max() >= least:
            return end - 1 - int(fits[::-1].argmax())
    return None


def average_precisions(pictures: Sequence[Matched]) -> Array | None:
    """Returns the average precision of one class at each overlap, `(10,)`; None if the truth has no box of it."""
    boxes = sum(one.boxes for one in pictures)
    if not boxes:
        return None
    order = np.argsort(-np.concatenate([one.scores for one in pictures]), kind="stable")
    right = np.concatenate([one.right for one in pictures], axis=1)[:, order]
    counts = ~np.concatenate([one.ignored for one in pictures], axis=1)[:, order]
    found = np.zeros(len(OVERLAPS))
    for level in range(len(OVERLAPS)):
        hits = np.cumsum(right[level] & counts[level]).astype(np.float64)
        misses = np.cumsum(~right[level] & counts[level]).astype(np.float64)
        precision = hits / np.maximum(hits + misses, 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(hits / boxes, RECALLS, side="left")
        reached = places < len(precision)
        found[level] = precision[places[reached]].sum() / len(RECALLS)
    return found


@dataclass(frozen=True)
class Threshold:
    """What a detector finds with one threshold, at an overlap of 0.5."""

    threshold: float
    precision: float | None
    """Share of the objects found that are there; None if none is found."""
    recall: float | None
    """Share of the objects there that are found; None if there is none."""


def at_threshold(pictures: Sequence[Matched], threshold: float) -> Threshold:
    """Returns precision and recall of objects, of any classes, whose scores reach a threshold."""
    boxes = sum(one.boxes for one in pictures)
    sure = [one.scores >= threshold for one in pictures]
    found = sum(int(one.sum()) for one in sure)
    right = sum(int((one.right[0] & keep).sum()) for one, keep in zip(pictures, sure, strict=True))
    return Threshold(threshold, right / found if found else None, right / boxes if boxes else None)


def best_threshold(pictures: Sequence[Matched]) -> Threshold | None:
    """Returns the threshold with the best F1 score at an overlap of 0.5; of equal ones the highest. None: no object."""
    boxes = sum(one.boxes for one in pictures)
    scores = np.concatenate([one.scores for one in pictures]) if pictures else np.empty(0)
    if not boxes or not len(scores):
        return None
    right = np.concatenate([one.right[0] for one in pictures])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores pass a threshold together
    f1 = np.where(last, 2 * hits / (np.arange(1, len(scores) + 1) + boxes), 0)
    return at_threshold(pictures, float(scores[order][f1.argmax()]))
