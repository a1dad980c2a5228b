"""Reads CSV tables of boxes, one object a line: `path,label,xmin,ymin,xmax,ymax[,split]`, in pixels.

With a header the columns may stand in any order, under the usual names (`filename`, `class`, `x1`..., as Roboflow and
TensorFlow's examples write them). Without one the order is this, or Keras RetinaNet's `path,xmin,ymin,xmax,ymax,label`,
or that of Google's AutoML: `set,path,label,xmin,ymin,,,xmax,ymax,,` with or without the set, or with all four corners.
A line with a path and nothing else is a picture without objects.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import InputError
from zoo.files.reading import read_list
from zoo.inputs.annotations.pictures import Folder, Several
from zoo.inputs.annotations.values import BoxData, Stated, Tally, merged, numbers, whole_size
from zoo.inputs.find import SUFFIXES
from zoo.inputs.splits import SplitName, is_unassigned, split_of
from zoo.inputs.table import LABELS, PATHS, SPLIT_COLUMNS, first_of, plain_name, rows_of
from zoo.text import uncell

_SIDES = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
"""Names of the columns of a box."""
_OTHER_SIDES = ({"x", "y", "w", "h"}, {"x", "y", "width", "height"}, {"bbox"})
"""Names of columns that are not read: they do not say which corners, or whether a centre, they mean."""

_CORNERS = (2, 3, 6, 7)
"""The places of left, top, right and bottom in AutoML's rows, counted from the path."""


@dataclass(frozen=True)
class Columns:
    """The places of the columns; None for one that is not there."""

    path: int
    label: int
    sides: tuple[int, ...]
    split: int | None = None
    size: tuple[int, int] | None = None

    @property
    def least(self) -> int:
        """The number of cells of a line that states a box."""
        return 1 + max(self.path, self.label, *self.sides)


def columns_of(rows: Sequence[tuple[int, list[str]]]) -> tuple[Columns, int] | None:
    """Returns the columns of a table of boxes, and 1 if its first row is a header, else 0; None if it is none.

    Args:
        rows: the first rows at least, from `rows_of`.
    """
    if not rows:
        return None
    names = [plain_name(cell) for cell in rows[0][1]]
    for sides in _SIDES:
        if set(sides) <= set(names):
            path, label, split = first_of(names, PATHS), first_of(names, LABELS), first_of(names, SPLIT_COLUMNS)
            if path is None or label is None:
                return None
            size = (names.index("width"), names.index("height")) if {"width", "height"} <= set(names) else None
            return Columns(path, label, tuple(names.index(side) for side in sides), split, size), 1
    return _without_header(next((row for _, row in rows if sum(map(bool, row)) > 5), []))


def seems_one(path: Path) -> bool:
    """Whether a CSV file is a table of boxes, or has columns of boxes in a form that is not read here."""
    rows = first_rows(path)
    names = {plain_name(cell) for cell in rows[0][1]} if rows else set()
    other = any(sides <= names for sides in _OTHER_SIDES)
    return columns_of(rows) is not None or (other and bool(names & set(PATHS)))


def _without_header(cells: list[str]) -> tuple[Columns, int] | None:
    for first in (0, 1):  # AutoML's: with the set in front, or without it
        if _are_corners(cells[first:]) and (first == 0 or _is_set(cells[0])):
            return Columns(first, first + 1, tuple(first + at for at in _CORNERS), 0 if first else None), 0
    split = 6 if len(cells) > 6 else None
    is_picture = bool(cells) and Path(cells[0]).suffix.lower() in SUFFIXES
    if len(cells) > 5 and numbers(cells[2:6]) is not None and (is_picture or numbers(cells[1:2]) is None):
        return Columns(0, 1, (2, 3, 4, 5), split), 0
    if len(cells) > 5 and numbers(cells[1:5]) is not None and is_picture:
        return Columns(0, 5, (1, 2, 3, 4), split), 0
    return None


def _are_corners(cells: list[str]) -> bool:
    """Whether a row is a path, a label and the corners of a box, from the upper left one on, the second and the fourth
    maybe empty.
    """
    between, last = cells[4:6], cells[8:10]
    return (
        len(cells) > max(_CORNERS)
        and Path(cells[0]).suffix.lower() in SUFFIXES
        and numbers([cells[at] for at in _CORNERS]) is not None
        and all(not any(pair) or numbers(pair) is not None for pair in (between, last))
        and (not any(between) or len(cells) > 8)
    )


def _is_set(word: str) -> bool:
    return is_unassigned(word) or split_of(word) is not None


def first_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Returns the first rows of a CSV file; nothing if it cannot be read as one."""
    try:
        with path.open("rb") as file:
            head = file.read(65536).decode("utf-8-sig", errors="replace")
        return rows_of("\n".join(head.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:20]))
    except (OSError, csv.Error):
        return []


def read(paths: Sequence[Path], folder: Folder) -> BoxData:
    """Returns what tables of boxes state.

    Args:
        paths: CSV files; those in the folders of splits are of that split.
        folder: the files of the data folder.

    Raises:
        InputError: a file cannot be read, or is no table of boxes.
    """
    tally = Tally()
    pictures: list[Stated] = []
    for path in paths:
        pictures += _pictures(path, folder, tally)
    listed = {one.path for one in pictures}
    unlisted = [picture for picture in folder.pictures if picture not in listed]
    tally.add("unlisted", unlisted[0] if unlisted else "", len(unlisted))
    names = tuple(sorted({label for one in pictures for label in one.labels}))
    return BoxData(folder.root, "CSV", merged(pictures, tally), names, tally.remarks())


@dataclass
class _Entries:
    labels: list[str]
    boxes: list[tuple[float, ...]]
    size: tuple[int, int] | None


def _pictures(path: Path, folder: Folder, tally: Tally) -> list[Stated]:
    try:
        rows = rows_of(read_list(path, "the table of boxes"))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV file of path,label,xmin,ymin,xmax,ymax: {error}") from error
    found = columns_of(rows)
    if found is None:
        begins = ",".join(rows[0][1]) if rows else "nothing"
        raise InputError(
            f"{path} is no CSV file of path,label,xmin,ymin,xmax,ymax: it lacks one of these columns; it begins with "
            f"{begins[:100]}"
        )
    columns, headed = found
    entries: dict[tuple[Path, SplitName | None], _Entries] = {}
    cache: dict[str, Path | None] = {}
    for number, row in rows[headed:]:
        where = f"{path}, line {number}"
        picture = _picture(row, columns, folder, path, where, cache, tally)
        if picture is None:
            continue
        split, known = _split(row, columns)
        if not known:
            tally.add("malformed", f"{where}, split {row[columns.split or 0]!r}"[:300])
            continue
        size = whole_size(*(row[i] if i < len(row) else "" for i in columns.size)) if columns.size else None
        one = entries.setdefault(
            (picture, split or folder.split(picture) or folder.split(path)), _Entries([], [], size)
        )
        cells = [row[i] if i < len(row) else "" for i in (columns.label, *columns.sides)]
        if not any(cells):
            continue
        sides = numbers(cells[1:])
        if not cells[0] or sides is None:
            tally.add("malformed", where)
        else:
            one.labels.append(uncell(cells[0]))
            one.boxes.append(sides)
    return [
        Stated(picture, tuple(one.labels), np.array(one.boxes, np.float64).reshape(-1, 4), size=one.size, split=split)
        for (picture, split), one in entries.items()
    ]


def _picture(
    row: list[str],
    columns: Columns,
    folder: Folder,
    path: Path,
    where: str,
    cache: dict[str, Path | None],
    tally: Tally,
) -> Path | None:
    """Returns the picture of a row; one that is not there is counted once, however many rows name it."""
    cell = uncell(row[columns.path]) if columns.path < len(row) else ""
    if not cell:
        tally.add("malformed", where)
        return None
    if cell not in cache:
        try:
            cache[cell] = folder.find(cell, path.parent)
            if cache[cell] is None:
                tally.add("no_picture", f"{where}, {cell}")
        except Several:
            cache[cell] = None
            tally.add("several", f"{where}, {cell}")
    return cache[cell]


def _split(row: list[str], columns: Columns) -> tuple[SplitName | None, bool]:
    """Returns the split that a row names, and whether what stands there is one."""
    word = row[columns.split] if columns.split is not None and columns.split < len(row) else ""
    word = "" if is_unassigned(word) else word
    split = split_of(word) if word else None
    return split, not word or split is not None
