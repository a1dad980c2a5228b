"""Finds out by looking in which format boxes are annotated, and reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, listed
from zoo.inputs import boxes
from zoo.inputs.annotations import coco, table, voc, yolo
from zoo.inputs.annotations.pictures import Folder
from zoo.inputs.annotations.values import BoxData, Format
from zoo.inputs.find import told_suffixes

_CVAT = "CVAT's own annotations.xml: export the task as COCO 1.0, Pascal VOC 1.1 or YOLO"
_TABLES = {".csv", ".tsv"}
_ROUNDED = 0.01
"""By how much rounded shares may exceed 1."""
_FAR = 2.0
"""Where most of YOLO's boxes end beyond this share of a side, they are none."""


def holds_boxes(path: str | Path) -> bool:
    """Whether a data set is one of boxes: annotations are there, or folders that are laid out for them.

    A CSV file is judged by its columns, a folder by its files; class folders with notes beside the pictures are none.

    Raises:
        InputError: a folder cannot be read.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix.lower() in _TABLES:
            return table.seems_one(path)
        return path.suffix.lower() in {".json", *yolo.YAML}
    if not path.is_dir():
        return False
    folder = Folder(path)
    return any(_candidates(folder).values()) or _is_cvats(folder) or _laid_out(path) is not None


def find_boxes(path: str | Path) -> BoxData:
    """Lists the pictures of a data set with what is annotated of them; opens no picture.

    Args:
        path: a folder, in any of the layouts that Roboflow, CVAT, Label Studio and LabelImg write; or a COCO `.json`, a
            YOLO `data.yaml` or a `.csv` file, with the pictures in its folder.

    Raises:
        InputError: there are no annotations, they are of several formats, or a file cannot be read.
    """
    path = Path(path)
    if path.is_file():
        return replace(_by_their_numbers(_of_file(path)), root=path)
    if not path.is_dir():
        raise InputError(f"no data folder or annotation file {path}")
    folder = Folder(path)
    found = _formats(folder)
    if len(found) > 1:
        raise InputError(
            f"{path} holds boxes in several formats, {listed(found)}: keep the files of one, or give the .json, "
            "data.yaml or .csv file that counts"
        )
    for read in found.values():
        return _by_their_numbers(read())
    if _is_cvats(folder):
        raise InputError(f"{path} holds {_CVAT}")
    what, labels = boxes.what_it_is(path), yolo.label_files(folder)
    raise InputError(
        f"{path} holds {what or 'pictures'}, but no annotations of boxes that are read here: COCO JSON, Pascal VOC "
        f"XML, YOLO text files or CSV{told_suffixes(folder.others)}{yolo.first_that_is_none(labels.values())}"
    )


def _of_file(path: Path) -> BoxData:
    suffix = path.suffix.lower()
    folder = Folder(path.parent)
    if suffix == ".json":
        document = coco.read_json(path)
        if not coco.is_coco(document):
            raise InputError(f"{path} is no COCO file of boxes: {coco.NEEDED}")
        return coco.read({path: document}, folder)
    if suffix in yolo.YAML:
        return yolo.read(folder, path)
    if suffix in _TABLES:
        return table.read([path], folder)
    raise InputError(f"{path} is no annotation file: give a folder, or a .json, data.yaml or .csv file")


def _candidates(folder: Folder) -> dict[Format, list[Path]]:
    """Returns the files of each format by their beginnings, or by their names; none is parsed.

    Tables of boxes in a form that is not read count where nothing else is there: their reader says what they lack.
    """
    by_suffix: dict[str, list[Path]] = {}
    for path in folder.others:
        by_suffix.setdefault(path.suffix.lower(), []).append(path)
    documents, sheets = by_suffix.get(".json", []), by_suffix.get(".xml", [])
    labels = list(yolo.label_files(folder).values())
    tables = [one for suffix in sorted(_TABLES) for one in by_suffix.get(suffix, [])]
    found: dict[Format, list[Path]] = {
        "COCO": documents if coco.seem_coco(documents) else [],
        "Pascal VOC": sheets if any(map(voc.looks_like_voc, sheets)) else [],
        "YOLO": labels if any(map(yolo.looks_like_yolo, labels)) else [],
        "CSV": [one for one in tables if table.columns_of(table.first_rows(one)) is not None],
    }
    return found if any(found.values()) else {"CSV": list(filter(table.seems_one, tables))}


def _formats(folder: Folder) -> dict[Format, Callable[[], BoxData]]:
    """Returns the formats of the annotations in a folder, each with its reader."""
    files = _candidates(folder)
    documents: dict[Path, Any] = coco.find_documents(files.get("COCO", []))
    readers: dict[Format, Callable[[], BoxData]] = {
        "COCO": lambda: coco.read(documents, folder),
        "Pascal VOC": lambda: voc.read(files["Pascal VOC"], folder),
        "YOLO": lambda: yolo.read(folder),
        "CSV": lambda: table.read(files["CSV"], folder),
    }
    return {name: read for name, read in readers.items() if (documents if name == "COCO" else files.get(name))}


def _by_their_numbers(data: BoxData) -> BoxData:
    """Returns data with boxes as shares of the sides where all their numbers are such, and notes what seems mistaken.

    No box of pixels is within one pixel of the corner, and none of YOLO's shares lies far beyond 1.
    """
    found = np.concatenate([np.zeros((0, 4)), *(one.boxes for one in data.pictures)])
    if not len(found):
        return data
    if data.format == "YOLO":
        if np.median(found.max(axis=1)) <= _FAR:
            return data
        note = "the boxes seem to be in pixels; in YOLO's format they are shares of the picture's sides, from 0 to 1"
        return replace(data, notes=(*data.notes, f"{note}: divide them by width and height"))
    if np.abs(found).max() > 1 + _ROUNDED:
        return data
    note = "all boxes have numbers from 0 to 1: they are taken for shares of the picture's width and height"
    shares = tuple(replace(one, relative=True) for one in data.pictures)
    return replace(data, pictures=shares, notes=(*data.notes, note))


def _is_cvats(folder: Folder) -> bool:
    """Whether a folder holds the XML file that CVAT exports a task to in its own format, which is not read here."""
    return any(one.name.lower() == "annotations.xml" for one in folder.others)


def _laid_out(path: Path) -> str | None:
    """Returns what a folder that is laid out for boxes holds, where it is not one of masks; else None."""
    what = boxes.what_it_is(path)
    return what if what is not None and what.startswith("boxes") else None
