"""Puts stated boxes into the upright picture: turned with it, in its pixels, inside of it, each once.

A photo of a phone is stored on its side, with a mark (EXIF orientation) that says how to turn it. Labelling tools show
it upright, most programs read it as it is stored. Which of them the boxes are of, shows in the stated width and height.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.inputs.annotations.values import TOLERANCE, Array, BoxData, Stated, Tally
from zoo.inputs.boxes import Boxes
from zoo.inputs.pictures.images import QUARTER_TURNS
from zoo.inputs.pictures.stored import Stored, stored

MOST_OBJECTS = 2_000
"""The most boxes of a picture: training and judging take time and memory for the fullest one."""
SAME_SHAPE = 0.02
"""Share by which the ratio of the sides may differ from the stated one."""
SAME_BOX = 0.5
"""Pixels by which two boxes of one class may differ in each corner and still count as one."""


def place(stated: Stated, picture: Stored, tally: Tally) -> Boxes:
    """Returns the boxes of a picture in pixels of the upright picture.

    They lie inside of the picture, have an area, and are there once. What that takes is counted.

    Args:
        stated: what the annotation file states.
        picture: size and orientation of the stored picture.
        tally: counts what is odd.

    Raises:
        InputError: the annotation is of a picture of another shape, so that nobody knows where its boxes lie, or there
            are more than `MOST_OBJECTS`.
    """
    if len(stated.labels) > MOST_OBJECTS:
        raise InputError(
            f"{stated.path} has {len(stated.labels):,} boxes, and at most {MOST_OBJECTS:,} are taken: cut it up"
        )
    width, height = picture.upright
    boxes = _upright(stated, picture, tally)
    flipped = (boxes[:, 0] > boxes[:, 2]) | (boxes[:, 1] > boxes[:, 3])
    tally.add("reversed", stated.path, int(flipped.sum()))
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    inside = np.clip(boxes, 0, [width, height, width, height])
    sides = inside[:, 2:] - inside[:, :2]
    before = boxes[:, 2:] - boxes[:, :2]
    over = (np.abs(boxes - inside) > TOLERANCE).any(axis=1)
    empty = (before <= 0).any(axis=1)
    beyond = ~empty & (sides <= 0).any(axis=1)
    swapped = over & _lie_inside(boxes[:, [1, 0, 3, 2]], width, height)
    keep = ~empty & ~beyond
    for kind, which in (("outside", over & keep), ("beyond", beyond), ("swapped", swapped), ("empty", empty)):
        tally.add(kind, stated.path, int(which.sum()))
    labels = [label for label, good in zip(stated.labels, keep, strict=True) if good]
    once = _once(labels, inside[keep])
    tally.add("duplicate", stated.path, len(labels) - len(once))
    return Boxes(tuple(labels[i] for i in once), inside[keep][once])


def turned(boxes: Array, size: tuple[int, int], orientation: int) -> Array:
    """Returns boxes of a stored picture as boxes of the picture that EXIF's orientation turns upright.

    Args:
        boxes: `(objects, 4)`: left, top, right, bottom in pixels of the stored picture.
        size: width and height of the stored picture.
        orientation: 1 to 8, as EXIF has it.
    """
    x, y = boxes[:, [0, 2]], boxes[:, [1, 3]]
    if orientation in {2, 3, 7, 8}:
        x = size[0] - x[:, ::-1]
    if orientation in {3, 4, 6, 7}:
        y = size[1] - y[:, ::-1]
    if orientation in QUARTER_TURNS:
        x, y = y, x
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def ground_truth(data: BoxData, tally: Tally | None = None) -> Iterator[tuple[Path, Boxes]]:
    """Yields each picture with its boxes in pixels of the upright picture; of each file, the header is read.

    Args:
        data: from `find_boxes`.
        tally: counts what is odd.

    Raises:
        InputError: a picture cannot be read, or its annotation is of one of another shape.
    """
    tally = Tally() if tally is None else tally
    for stated in data.pictures:
        yield stated.path, place(stated, stored(stated.path), tally)


def _upright(stated: Stated, picture: Stored, tally: Tally) -> Array:
    """Returns the boxes in pixels of the upright picture, wherever they lie."""
    boxes, upright = np.asarray(stated.boxes, np.float64).reshape(-1, 4), picture.upright
    if stated.relative:
        if picture.orientation != 1 and len(boxes):
            tally.add("oriented", stated.path)
        return _scaled(boxes, upright)
    size = stated.size
    if size is None or size == upright:
        if picture.orientation != 1 and (size is None or upright == picture.size) and len(boxes):
            tally.add("oriented", stated.path)
        return boxes
    if picture.orientation in QUARTER_TURNS and _same_shape(size, picture.size) and not _same_shape(size, upright):
        if len(boxes):
            tally.add("turned", stated.path, len(boxes))
        return turned(_scaled(boxes, np.divide(picture.size, size)), picture.size, picture.orientation)
    if _same_shape(size, upright):
        tally.add("resized", stated.path)
        return _scaled(boxes, np.divide(upright, size))
    if size == upright[::-1]:
        tally.add("size_swapped", stated.path)
        return boxes
    raise InputError(
        f"{stated.path} has {upright[0]}x{upright[1]} pixels, but its annotation is of a picture of {size[0]}x{size[1]}"
    )


def _scaled(boxes: Array, factors: Any) -> Array:
    """Returns boxes whose x and y are multiplied by two factors."""
    made: Array = boxes * np.tile(factors, 2)
    return made


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= SAME_SHAPE


def _lie_inside(boxes: Array, width: int, height: int) -> Any:
    high = np.array([width, height, width, height]) + TOLERANCE
    return ((boxes >= -TOLERANCE) & (boxes <= high)).all(axis=1)


def _once(labels: list[str], boxes: Array) -> list[int]:
    """Returns the rows of the boxes without those that repeat an earlier one of the same class."""
    kept: dict[str, list[int]] = {}
    rows = []
    for row, label in enumerate(labels):
        earlier = kept.setdefault(label, [])
        if not earlier or not (np.abs(boxes[earlier] - boxes[row]) < SAME_BOX).all(axis=1).any():
            earlier.append(row)
            rows.append(row)
    return rows
