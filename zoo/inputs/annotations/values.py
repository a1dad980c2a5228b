"""What annotation files state, as values, and the list of all that is odd about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from zoo.inputs.splits import SplitName
from zoo.text import count_of

Array = npt.NDArray[Any]
Format = Literal["COCO", "Pascal VOC", "YOLO", "CSV"]

TOLERANCE = 1.0
"""Pixels that a box may reach over the edge without a word: tools round, and count pixels from 0 or 1."""

KINDS = {
    "malformed": (
        "entry that cannot be read, left out",
        "entries that cannot be read, left out",
    ),
    "unknown": (
        "entry of a class that has no name, left out",
        "entries of a class that has no name, left out",
    ),
    "crowd": (
        "entry for a crowd of objects, left out",
        "entries for a crowd of objects, left out",
    ),
    "rotated": (
        "rotated box, left out",
        "rotated boxes, left out",
    ),
    "outline": (
        "outline; the upright box around it is used",
        "outlines; the upright box around each is used",
    ),
    "no_picture": (
        "annotated picture that is not there, left out",
        "annotated pictures that are not there, left out",
    ),
    "several": (
        "annotated picture of a name that several files have, left out",
        "annotated pictures of a name that several files have, left out",
    ),
    "same_id": (
        "picture whose id another picture of the file has, left out with its entries",
        "pictures whose id other pictures of the file have, left out with their entries",
    ),
    "unlisted": (
        "picture that no annotation names, left out",
        "pictures that no annotation names, left out",
    ),
    "without_file": (
        "picture without a label file, used as a picture without objects",
        "pictures without a label file, used as pictures without objects",
    ),
    "listed_twice": (
        "picture that several annotations name, the entries taken together",
        "pictures that several annotations name, the entries taken together",
    ),
    "reversed": (
        "box with its corners in the wrong order, put in order",
        "boxes with their corners in the wrong order, put in order",
    ),
    "outside": (
        "box partly outside its picture, cut at its edge",
        "boxes partly outside their picture, cut at its edge",
    ),
    "beyond": (
        "box wholly outside its picture, left out",
        "boxes wholly outside their picture, left out",
    ),
    "swapped": (
        "box outside its picture that would lie inside with x and y swapped: are the columns in order?",
        "boxes outside their picture that would lie inside with x and y swapped: are the columns in order?",
    ),
    "corners": (
        "box outside its picture that would lie inside if its width and height were right and bottom: are they "
        "corners?",
        "boxes outside their picture that would lie inside if their width and height were right and bottom: are "
        "they corners?",
    ),
    "empty": (
        "box without area, left out",
        "boxes without area, left out",
    ),
    "duplicate": (
        "box stated twice, used once",
        "boxes stated twice, used once",
    ),
    "turned": (
        "box of a picture as it is stored, turned upright with the picture",
        "boxes of pictures as they are stored, turned upright with the picture",
    ),
    "oriented": (
        "picture that is turned upright, and whose boxes are taken for boxes of the upright picture",
        "pictures that are turned upright, and whose boxes are taken for boxes of the upright picture",
    ),
    "resized": (
        "picture of another size than is stated, in the same shape: boxes scaled to it",
        "pictures of another size than is stated, in the same shape: boxes scaled to it",
    ),
    "size_swapped": (
        "picture whose stated width and height are swapped; boxes kept as they are",
        "pictures whose stated width and height are swapped; boxes kept as they are",
    ),
}
"""The kinds of odd entries, in the order in which they are told, with what is done: of one entry, and of several."""


@dataclass(frozen=True, eq=False)
class Stated:
    """What an annotation file states of a picture, before anybody has looked at the picture."""

    path: Path
    """The picture, one of those that were found below the data folder."""
    labels: tuple[str, ...] = ()
    """The class of each object."""
    boxes: Array = field(default_factory=lambda: np.zeros((0, 4)))
    """`(objects, 4)` float64: left, top, right, bottom, finite, as stated: in pixels, or in shares of the sides."""
    relative: bool = False
    """Whether boxes are in shares of the picture's width and height."""
    size: tuple[int, int] | None = None
    """Width and height that the file states; None where it states none."""
    split: SplitName | None = None
    """The split that the data assign it to."""


@dataclass(frozen=True)
class Remark:
    """One kind of odd entries: how many, and where the first is."""

    kind: str
    """One of `KINDS`."""
    count: int
    first: str
    """The file of the first, with its line or entry."""

    def __str__(self) -> str:
        """Returns it as one line."""
        return f"{self.told()}; the first: {self.first}"

    def told(self) -> str:
        """Returns how many entries of the kind there are, without their place."""
        return count_of(self.count, *KINDS[self.kind])


class Tally:
    """Counts odd entries by kind, and remembers the first of each."""

    def __init__(self, remarks: Sequence[Remark] = ()) -> None:
        self._found: dict[str, tuple[int, str]] = {one.kind: (one.count, one.first) for one in remarks}

    def add(self, kind: str, where: object, count: int = 1) -> None:
        """Counts `count` entries of a kind; `where` tells the place of the first."""
        if count:
            before, first = self._found.get(kind, (0, str(where)))
            self._found[kind] = (before + count, first)

    def remarks(self) -> tuple[Remark, ...]:
        """Returns what was counted, in the order of `KINDS`."""
        return tuple(Remark(kind, *self._found[kind]) for kind in KINDS if kind in self._found)


@dataclass(frozen=True, eq=False)
class BoxData:
    """The annotated pictures of a data set; no picture has been opened."""

    root: Path
    format: Format
    pictures: tuple[Stated, ...]
    """Sorted by path."""
    class_names: tuple[str, ...]
    """In the order of the data's own list of classes, or sorted where there is none."""
    remarks: tuple[Remark, ...] = ()
    """What is odd about the annotation files."""
    notes: tuple[str, ...] = ()
    """What was assumed, in sentences."""


def numbers(values: Sequence[object]) -> tuple[float, ...] | None:
    """Returns values as finite numbers of a size that pixels can have; None if one of them is none."""
    found = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        if not math.isfinite(number) or abs(number) > 1e9:
            return None
        found.append(number)
    return tuple(found)


def whole_size(width: object, height: object) -> tuple[int, int] | None:
    """Returns a stated width and height; None where they are none, such as the 0 that some tools write."""
    found = numbers((width, height))
    if found is None or min(found) < 1:
        return None
    return int(found[0]), int(found[1])


def merged(pictures: Sequence[Stated], tally: Tally) -> tuple[Stated, ...]:
    """Returns one value for each picture and split, sorted by path; entries of several are taken together.

    Args:
        pictures: what the files state, in any order.
        tally: counts pictures that are named several times.
    """
    by_place: dict[tuple[Path, SplitName | None], list[Stated]] = {}
    for one in pictures:
        by_place.setdefault((one.path, one.split), []).append(one)
    made = []
    for (path, split), same in by_place.items():
        first = same[0]
        if len(same) == 1:
            made.append(first)
            continue
        tally.add("listed_twice", path)
        labels = tuple(label for one in same for label in one.labels)
        boxes = np.concatenate([one.boxes for one in same])
        made.append(Stated(path, labels, boxes, first.relative, first.size, split))
    return tuple(sorted(made, key=lambda one: (one.path, one.split or "")))
