"""Turns the outputs of a detector into boxes, scores and classes, and compares those of two files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import AnswerError
from zoo.tasks.objects.boxes import areas, overlaps, suppress
from zoo.tasks.objects.layout import Finished, Heads, Layout
from zoo.tasks.task import Agreement, Array, Stored
from zoo.text import plural

if TYPE_CHECKING:
    from zoo.inputs.pictures.fit import Fit
    from zoo.tasks.objects.answer import Detection

CANDIDATES = 400
"""The most boxes among which overlapping ones are looked for; the best of all. It bounds the time of a picture."""
SAME_BOX = 0.9
"""The least overlap of two boxes that are the same in the comparison of two files."""
SAME_SCORE = 0.05
"""The largest difference of their scores."""
MEANING = "finds the same objects as Keras"

Objects = tuple[Array, Array, Array]
"""Boxes `(n, 4)`, scores `(n,)` and classes `(n,)`, best first."""


def objects_in(
    layout: Layout,
    outputs: Sequence[Stored],
    size: tuple[int, int],
    fit: Fit | None,
    *,
    threshold: float,
    iou: float,
    only: frozenset[int] | None,
    limit: int,
    across: bool = False,
) -> Objects:
    """Returns the objects that a detector finds in one picture.

    Args:
        layout: how the outputs are arranged.
        outputs: the outputs as the file stores them.
        size: width and height of the model's input in pixels.
        fit: how the picture was resized to the input; None for an array.
        threshold: the least score.
        iou: the overlap above which the worse of two boxes of one class is left out.
        only: the classes that are looked for; None for all.
        limit: the largest number of objects.
        across: whether an anchor has its best class only, and boxes of all classes are rivals.

    Returns:
        Boxes in pixels of the upright picture (of the input if there is none), inside of what the model sees of it.

    Raises:
        AnswerError: a score or the box of an object is not a finite number.
    """
    boxes, scores, classes = (
        _from_heads(layout, outputs, threshold, only, across=across)
        if isinstance(layout, Heads)
        else _from_operation(layout, outputs, threshold, only)
    )
    _require_finite(boxes)
    whole = boxes * np.array([*size, *size], np.float64)
    pixels = whole if fit is None else fit.to_picture(whole)
    left, top, right, bottom = (0, 0, *size) if fit is None else fit.seen
    pixels = np.clip(pixels, [left, top, left, top], [right, bottom, right, bottom])
    there = np.flatnonzero(areas(pixels) > 0)
    if isinstance(layout, Heads):
        rivals = np.zeros_like(classes) if across else classes
        stays = there[suppress(whole[there], scores[there], rivals[there], iou=iou, limit=limit)]
    else:
        stays = there[np.argsort(-scores[there], kind="stable")[:limit]]
    return pixels[stays], scores[stays], classes[stays]


def _from_heads(
    layout: Heads, outputs: Sequence[Stored], threshold: float, only: frozenset[int] | None, *, across: bool
) -> Objects:
    """Decodes the boxes whose scores reach the threshold, which is compared with the stored values."""
    scores, boxes = outputs[layout.scores], outputs[layout.boxes]
    stored = scores.values[0]
    if stored.dtype.kind == "f":
        _require_finite(stored)
    stored = stored[:, int(layout.has_background) :]
    passes = stored >= scores.least(_logit(threshold) if layout.sigmoid else threshold)
    if only is not None:
        passes[:, [at for at in range(stored.shape[1]) if at not in only]] = False
    if across:
        passes &= np.arange(stored.shape[1]) == stored.argmax(axis=1)[:, np.newaxis]
    flat = np.flatnonzero(passes)
    values = stored.reshape(-1)[flat]
    if len(values) > CANDIDATES:
        best = np.sort(np.argpartition(-values.astype(np.float32), CANDIDATES)[:CANDIDATES])
        flat, values = flat[best], values[best]
    where, which = np.divmod(flat, stored.shape[1])
    real = scores.real(values)
    if layout.sigmoid:
        real = (1 / (1 + np.exp(-np.maximum(real.astype(np.float64), -500)))).astype(np.float32)
    coded = boxes.real(boxes.values[0][where])[:, :4]
    _require_finite(coded)
    return layout.coding.decode(coded, layout.anchors[where]), real, which


def _from_operation(
    layout: Finished, outputs: Sequence[Stored], threshold: float, only: frozenset[int] | None
) -> Objects:
    """Reads the objects that are decoded already. Places beyond their count hold whatever was in the memory before."""
    places = (layout.boxes, layout.classes, layout.scores, layout.count)
    boxes, classes, scores, count = (outputs[place] for place in places)
    number = float(count.real(count.values).reshape(-1)[0])
    there = scores.values.reshape(-1).shape[0]
    if not (math.isfinite(number) and 0 <= number <= there):
        raise AnswerError(f"gives no answer: it counts {number:g} {plural(number, 'object')} of at most {there}")
    end = round(number)
    real = scores.real(scores.values.reshape(-1)[:end])
    which = classes.real(classes.values.reshape(-1)[:end])
    corners = boxes.real(boxes.values.reshape(-1, 4)[:end]).astype(np.float64)
    for values in (real, which, corners):
        _require_finite(values)
    wrong = which[(which < -0.5) | (which > layout.columns - 0.5)]
    if wrong.size:
        raise AnswerError(f"gives no answer: {wrong[0]:g} is among its classes, of which there are {layout.columns}")
    which = np.rint(which).astype(np.intp)
    keep = real >= threshold
    if only is not None:
        keep &= np.isin(which, sorted(only))
    return corners[keep][:, [1, 0, 3, 2]], real[keep], which[keep]


def _logit(share: float) -> float:
    """Returns the number whose sigmoid is `share`."""
    if share in {0.0, 1.0}:
        return math.inf if share else -math.inf
    return math.log(share / (1 - share))


def _require_finite(values: Array) -> None:
    """Finds values that are no numbers.

    Raises:
        AnswerError: there is one.
    """
    finite = np.isfinite(values)
    if not finite.all():
        raise AnswerError(f"gives no answer: {float(values[~finite][0])} is among its scores or boxes")


def agreement(
    pairs: Sequence[tuple[Sequence[Detection], Sequence[Detection]]], threshold: float, *, least: float = 0.0
) -> Agreement:
    """Returns the share of the objects above the threshold that two answers have in common.

    Two objects are the same if they are of one class, their boxes overlap by 0.9 or more, and their scores differ by at
    most 0.05. An object that only one answer has above the threshold may be in the other a little below it. Where the
    reference finds little, the threshold is lowered until it finds something on half of the pictures, so that a file
    that finds nothing does not agree by finding nothing.

    Args:
        pairs: the objects that the reference and the other find in each picture, best first, whatever their scores.
        threshold: the least score of an object.
        least: a score below which nothing is compared; one of the files may leave out such objects.
    """
    best = [found[0][0].score for found in pairs if found[0]]
    lowered = max(min(threshold, float(np.median(best))) if best else threshold, least)
    same = total = 0
    for first, second in pairs:
        for one, other in ((first, second), (second, first)):
            sure = [found for found in one if found.score >= lowered]
            total += len(sure)
            same += _in_common(sure, other)
    share = same / total if total else 1.0
    doubt = "" if any(score >= threshold for score in best) else f"no object with a score of {threshold:g}"
    return Agreement(share, MEANING, {"same_objects": share}, doubt)


def _in_common(sure: Sequence[Detection], others: Sequence[Detection]) -> int:
    """Returns how many objects are among others, of which each counts once."""
    if not sure or not others:
        return 0
    shared = overlaps(np.array([one.box for one in sure]), np.array([one.box for one in others]))
    free = np.ones(len(others), bool)
    count = 0
    for at, one in enumerate(sure):
        alike = np.array([one.index == o.index and abs(one.score - o.score) <= SAME_SCORE for o in others])
        fits = np.where(alike & free, shared[at], 0)
        if fits.max() >= SAME_BOX:
            free[fits.argmax()] = False
            count += 1
    return count
