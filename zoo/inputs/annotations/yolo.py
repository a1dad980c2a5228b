"""Reads YOLO's text files, one a picture: a line `class x y width height` for each object, in shares of the sides.

Names of classes are in `data.yaml` (Roboflow, Ultralytics, CVAT), `classes.txt` (LabelImg, Label Studio), `obj.names`
(CVAT, Darknet) or `_darknet.labels` (Roboflow). The label file of a picture lies beside it, or where `images` in its
path is replaced by `labels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.errors import InputError
from zoo.files.reading import read_list
from zoo.inputs.annotations.pictures import Folder, Several
from zoo.inputs.annotations.settings import Settings, read_settings
from zoo.inputs.annotations.values import Array, BoxData, Stated, Tally, merged, numbers
from zoo.inputs.splits import SplitName, split_of

YAML = {".yaml", ".yml"}
NAME_LISTS = {"classes.txt", "obj.names", "_darknet.labels"}
"""Lists of names, one a line."""
_SAME = 1e-3
"""Shares of a side within which corners count as those of an upright rectangle: tools round to a pixel or less."""


class _Entry(NamedTuple):
    line: int
    number: int
    """The number of the class."""
    values: tuple[float, ...]


def label_files(folder: Folder) -> dict[Path, Path]:
    """Returns the label file of each picture that has one; its content is not looked at."""
    texts = {path for path in folder.others if path.suffix.lower() == ".txt" and path.name.lower() not in NAME_LISTS}
    found = {}
    for picture in folder.pictures:
        for label in _places(picture, folder.root):
            if label in texts:
                found[picture] = label
                break
    return found


def looks_like_yolo(path: Path) -> bool:
    """Whether all lines of a file's beginning are a class number and four numbers or more, and there is one."""
    try:
        with path.open("rb") as file:
            lines = file.read(4096).decode("ascii").split("\n")
    except (OSError, ValueError):
        return False
    whole = [line.split() for line in (lines[:-1] if len(lines) > 1 else lines) if line.strip()]
    return bool(whole) and all(
        len(words) >= 5 and words[0].isdecimal() and numbers(words) is not None for words in whole
    )


def first_that_is_none(paths: Iterable[Path]) -> str:
    """Returns the end of a sentence on the first label file that is not read, and its line; empty if there is none."""
    for path in paths:
        try:
            lines = read_list(path, "the label file").split("\n")
        except InputError as error:
            return f"; {error}"
        for i, line in enumerate(lines, 1):
            words = line.split()
            if words and (len(words) < 5 or not words[0].isdecimal() or numbers(words) is None):
                return f"; {path}, line {i}, {line[:80]!r}, is not 'class x y width height', in numbers and blanks"
    return ""


def _places(picture: Path, root: Path) -> list[Path]:
    """Returns the places where the label file of a picture may lie."""
    places = [picture.with_suffix(".txt")]
    inner = picture.relative_to(root).parts
    for at in reversed(range(len(inner) - 1)):
        if inner[at].lower() == "images":
            for name in ("labels", "Labels"):
                places.append(root.joinpath(*inner[:at], name, *inner[at + 1 :]).with_suffix(".txt"))
    return places


def read(folder: Folder, settings: Path | None = None) -> BoxData:
    """Returns what YOLO's files state.

    A picture without a label file counts as one without objects, as YOLO has it, and is counted. Rotated boxes (eight
    numbers) are left out; of outlines, the upright box around them is taken.

    Args:
        folder: the files of the data folder.
        settings: the `data.yaml`, where the user has named it.

    Raises:
        InputError: the lists of classes cannot be read, or contradict each other.
    """
    tally = Tally()
    files = label_files(folder)
    found, source = _settings(folder, settings)
    notes = []
    if not found.names:
        notes.append("no data.yaml and no classes.txt names the classes: they are called by their numbers")
    entries = {}
    for picture in folder.pictures:
        if picture in files:
            entries[picture] = _entries(files[picture], tally)
        else:
            tally.add("without_file", picture)
    highest = max((entry.number for one in entries.values() for entry in one), default=-1)
    names = found.names or {i: str(i) for i in range(highest + 1)}
    # All four-cornered: the rotated boxes of OBB. With other outlines among them, they are outlines.
    corners = {len(entry.values) for one in entries.values() for entry in one}
    obb = not any(count > 8 or count == 6 for count in corners)
    splits = _splits(folder, found, source)
    pictures = []
    for picture in folder.pictures:
        labels, boxes = _objects(files.get(picture, picture), entries.get(picture, []), names, tally, obb=obb)
        pictures.append(Stated(picture, labels, boxes, relative=True, split=splits.get(picture)))
    _count_lost(folder, files, tally)
    return BoxData(folder.root, "YOLO", merged(pictures, tally), tuple(names.values()), tally.remarks(), tuple(notes))


def _entries(path: Path, tally: Tally) -> list[_Entry]:
    """Returns the lines that have as many numbers as boxes or outlines have."""
    found = []
    try:
        lines = read_list(path, "the label file").split("\n")
    except InputError as error:
        tally.add("malformed", error)
        return []
    for i, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        values = numbers(words[1:])
        # Models write a sixth number, the score; three corners and more have an even number of values.
        if (
            not words[0].isdecimal()
            or len(words[0]) > 6
            or values is None
            or len(values) < 4
            or (len(values) > 5 and len(values) % 2)
        ):
            tally.add("malformed", f"{path}, line {i}")
        else:
            found.append(_Entry(i, int(words[0]), values[:4] if len(values) == 5 else values))
    return found


def _objects(
    path: Path, entries: Sequence[_Entry], names: dict[int, str], tally: Tally, *, obb: bool
) -> tuple[tuple[str, ...], Array]:
    labels, boxes = [], []
    for line, number, values in entries:
        where = f"{path}, line {line}"
        if number not in names:
            tally.add("unknown", f"{where}, class {number}")
            continue
        if len(values) == 4:
            x, y, width, height = values
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        else:
            box = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
            if obb and len(values) == 8 and not _is_upright(values, box):
                tally.add("rotated", where)
                continue
            if len(values) != 8 or not _is_upright(values, box):
                tally.add("outline", where)
        labels.append(names[number])
        boxes.append(box)
    return tuple(labels), np.array(boxes, np.float64).reshape(-1, 4)


def _is_upright(values: Sequence[float], box: tuple[float, ...]) -> bool:
    """Whether four corners are those of their upright box."""
    return all(
        min(abs(x - box[0]), abs(x - box[2])) < _SAME and min(abs(y - box[1]), abs(y - box[3])) < _SAME
        for x, y in zip(values[::2], values[1::2], strict=True)
    )


def _settings(folder: Folder, named: Path | None) -> tuple[Settings, Path]:
    """Returns the names and splits, and the file that states them.

    Raises:
        InputError: a file cannot be read, or two state different names.
    """
    if named is not None:
        return read_settings(named), named
    yamls = sorted((one for one in folder.others if one.suffix.lower() in YAML), key=lambda one: len(one.parts))
    for path in yamls:
        found = read_settings(path) if path.stem.lower() in {"data", "dataset"} or path.parent == folder.root else None
        if found is not None and found.names:
            return found, path
    lists = [one for one in folder.others if one.name.lower() in NAME_LISTS]
    stated = {path: _listed_names(path) for path in sorted(lists, key=lambda one: len(one.parts))}
    if not stated:
        return Settings(), folder.root / "data.yaml"
    first, names = next(iter(stated.items()))
    other = next((path for path, theirs in stated.items() if theirs != names), None)
    if other is not None:
        raise InputError(
            f"{first} and {other} name different classes, and a number means one of them only: keep one list"
        )
    return Settings(dict(enumerate(names))), first


def _listed_names(path: Path) -> list[str]:
    return [line.strip() for line in read_list(path, "the list of classes").strip().split("\n") if line.strip()]


def _splits(folder: Folder, settings: Settings, source: Path) -> dict[Path, SplitName]:
    """Returns the split of each picture: as `data.yaml` says, else by the folders' names, else by lists of pictures."""
    places: dict[SplitName, list[Path]] = {}
    for split, texts in settings.splits.items():
        named = (folder.inside(text, source.parent) for text in texts)
        places[split] = [place for place in named if place is not None]
    stated = [place for found in places.values() for place in found]
    made: dict[Path, SplitName] = {}
    if len(set(stated)) == len(stated):  # else one folder serves as two splits, which says nothing
        for split, found in places.items():
            for place in found:
                made |= dict.fromkeys(_pictures_of(place, folder), split)
    by_folder = {picture: theirs for picture in folder.pictures if (theirs := folder.split(picture)) is not None}
    made = by_folder | made
    if made:
        return made
    for path in folder.others:
        listed = split_of(path.stem) if path.parent == folder.root and path.suffix == ".txt" else None
        if listed is not None:
            made |= dict.fromkeys(_pictures_of(path, folder), listed)
    return made


def _pictures_of(place: Path, folder: Folder) -> list[Path]:
    """Returns the pictures in a folder, or those that a list names."""
    if place.is_dir():
        return [picture for picture in folder.pictures if picture.is_relative_to(place)]
    found = []
    for line in read_list(place, "the list of pictures").split("\n") if place.suffix.lower() == ".txt" else []:
        try:
            picture = folder.find(line, place.parent)
        except Several:
            continue
        found += [picture] if picture is not None else []
    return found


def _count_lost(folder: Folder, files: dict[Path, Path], tally: Tally) -> None:
    """Counts label files whose picture is not there: text files beside label files that have one."""
    used = set(files.values())
    places = {path.parent for path in used}
    for path in folder.others:
        if (
            path.suffix.lower() == ".txt"
            and path not in used
            and path.parent in places
            and path.name.lower() not in NAME_LISTS
            and (path.parent.name.lower() == "labels" or looks_like_yolo(path))
        ):
            tally.add("no_picture", path)
