"""Finds out by looking in which format boxes are annotated, and reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import InputError, listed
from zoo.inputs import boxes
from zoo.inputs.annotations import coco, table, voc, yolo
from zoo.inputs.annotations.pictures import Folder
from zoo.inputs.annotations.values import BoxData, Format
from zoo.inputs.find import told_suffixes

_CVAT = "CVAT's own annotations.xml: export the task as COCO 1.0, Pascal VOC 1.1 or YOLO"
_TABLES = {".csv", ".tsv"}


def holds_boxes(path: str | Path) -> bool:
    """Whether a data set is one of boxes: annotations are there, or folders that are laid out for them.

    A CSV file is judged by its columns, a folder by its files; class folders with notes beside the pictures are none.

    Raises:
        InputError: a folder cannot be read.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix.lower() in _TABLES:
            return table.columns_of(table.first_rows(path)) is not None
        return path.suffix.lower() in {".json", *yolo.YAML}
    if not path.is_dir():
        return False
    folder = Folder(path)
    return bool(_formats(folder)) or _is_cvats(folder) or _laid_out(path) is not None


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
        return replace(_of_file(path), root=path)
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
        return read()
    if _is_cvats(folder):
        raise InputError(f"{path} holds {_CVAT}")
    what = boxes.what_it_is(path)
    raise InputError(
        f"{path} holds {what or 'pictures'}, but no annotations of boxes that are read here: COCO JSON, Pascal VOC "
        f"XML, YOLO text files or CSV{told_suffixes(folder.others)}"
    )


def _of_file(path: Path) -> BoxData:
    suffix = path.suffix.lower()
    folder = Folder(path.parent)
    if suffix == ".json":
        document = coco.read_json(path)
        if not coco.is_coco(document):
            raise InputError(f"{path} is no COCO file of boxes: it needs the lists images, annotations and categories")
        return coco.read({path: document}, folder)
    if suffix in yolo.YAML:
        return yolo.read(folder, path)
    if suffix in _TABLES:
        return table.read([path], folder)
    raise InputError(f"{path} is no annotation file: give a folder, or a .json, data.yaml or .csv file")


def _formats(folder: Folder) -> dict[Format, Callable[[], BoxData]]:
    """Returns the formats of the annotations in a folder, each with its reader."""
    found: dict[Format, Callable[[], BoxData]] = {}
    by_suffix: dict[str, list[Path]] = {}
    for path in folder.others:
        by_suffix.setdefault(path.suffix.lower(), []).append(path)
    documents: dict[Path, Any] = coco.find_documents(by_suffix.get(".json", []))
    if documents:
        found["COCO"] = lambda: coco.read(documents, folder)
    sheets = by_suffix.get(".xml", [])
    if any(map(voc.looks_like_voc, sheets)):
        found["Pascal VOC"] = lambda: voc.read(sheets, folder)
    labels = list(yolo.label_files(folder).values())
    if any(map(yolo.looks_like_yolo, labels)):
        found["YOLO"] = lambda: yolo.read(folder)
    tables = [one for suffix in sorted(_TABLES) for one in by_suffix.get(suffix, [])]
    ours = [one for one in tables if table.columns_of(table.first_rows(one)) is not None]
    if ours:
        found["CSV"] = lambda: table.read(ours, folder)
    return found


def _is_cvats(folder: Folder) -> bool:
    """Whether a folder holds the XML file that CVAT exports a task to in its own format, which is not read here."""
    return any(one.name.lower() == "annotations.xml" for one in folder.others)


def _laid_out(path: Path) -> str | None:
    """Returns what a folder that is laid out for boxes holds, where it is not one of masks; else None."""
    what = boxes.what_it_is(path)
    return what if what is not None and what.startswith("boxes") else None
