"""The labelled boxes of a picture, and what tells data sets of boxes and masks from pictures of classes."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.inputs.splits import split_of

_BOXES = "boxes for detection"
_MASKS = "masks for segmentation"
_MASK_FOLDERS = {
    "mask",
    "masks",
    "segmentation",
    "segmentations",
    "gt",
    "groundtruth",
    "segmentationclass",
    "annotationmasks",
}
_PICTURE_FOLDERS = {"image", "images", "img", "imgs", "jpegimages", "inputs"}
_BOX_FILES = re.compile(
    r"_annotations\.(coco\.json|csv|txt)|instances?_.*\.json|annotations\.(json|xml)|obj\.(names|data)|_darknet\.labels"
)
_YOLO_FILES = re.compile(r"(data|dataset)\.ya?ml|classes\.txt")
_COCO_FOLDER = re.compile(r"(train|val|test|unlabeled)20\d\d")
_MOST_WRAPPED = 5
"""Folders in each other that are looked through, as in `VOCdevkit/VOC2007`."""
_BOX_COLUMNS = ({"xmin", "ymin", "xmax", "ymax"}, {"x1", "y1", "x2", "y2"}, {"bbox"}, {"bndbox"}, {"segmentation"})
_MASK_COLUMNS = ({"mask"}, {"masks"}, {"encodedpixels"}, {"rle"})


@dataclass(frozen=True, eq=False)
class Boxes:
    """The objects in one picture; there may be none.

    Raises:
        ValueError: there is not one box of four numbers for each label.
    """

    labels: tuple[str, ...]
    """The class of each object."""
    boxes: npt.NDArray[Any]
    """`(objects, 4)` float64: left, top, right, bottom of each object, in pixels of the upright picture."""

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float64)
        if not len(self.labels):
            boxes = boxes.reshape(0, 4)
        if boxes.shape != (len(self.labels), 4):
            raise ValueError(f"{len(self.labels)} labels need as many boxes of four numbers, got shape {boxes.shape}")
        object.__setattr__(self, "boxes", boxes)

    def __len__(self) -> int:
        """Returns the number of objects."""
        return len(self.labels)


def what_it_is(root: Path) -> str | None:
    """Returns what a folder holds if it is a data set for detection or segmentation, in words; None for any other.

    Args:
        root: the folder; itself, the folders of its splits, and what is wrapped in folders of one folder are looked at.
    """
    around = [root]
    while len(inside := _folders(around[-1])) == 1 and len(around) < _MOST_WRAPPED:
        around += inside
    for folder in (*around, *(part for part in _folders(root) if split_of(part.name))):
        found = _by_folders(folder)
        if found:
            return found
    return None


def loose_pictures_with_boxes(folder: Path, suffixes: Collection[str]) -> str | None:
    """Returns what a folder of pictures without class folders holds, if files beside them state boxes; else None."""
    names = [entry.name.lower() for entry in folder.iterdir() if entry.is_file()]
    if any(_BOX_FILES.fullmatch(name) for name in names):
        return f"{_BOXES} (COCO's or CVAT's annotation files)"
    if any(_YOLO_FILES.fullmatch(name) for name in names):
        return f"{_BOXES} (YOLO's {next(name for name in names if _YOLO_FILES.fullmatch(name))})"
    stems: dict[str, set[str]] = {}
    for name in names:
        stem, _, suffix = name.rpartition(".")
        stems.setdefault(f".{suffix}", set()).add(stem)
    pictures = set().union(*(found for suffix, found in stems.items() if suffix in suffixes))
    for suffix, kind in ((".xml", "Pascal VOC"), (".txt", "YOLO"), (".json", "LabelMe")):
        both = pictures & stems.get(suffix, set())
        if both and 2 * len(both) >= len(pictures):
            return f"{_BOXES} ({kind}: a {suffix} file beside each picture)"
    return None


def columns_of_boxes(columns: set[str]) -> str | None:
    """Returns what the columns of a CSV file hold if they are boxes or masks; None for any other.

    Args:
        columns: the names of the columns, in lower case.
    """
    if any(group <= columns for group in _BOX_COLUMNS):
        return _BOXES
    return _MASKS if any(group <= columns for group in _MASK_COLUMNS) else None


def refusal(root: Path, what: str) -> str:
    """Returns the message for data of boxes or masks."""
    boxes = "; a detector of zoo list learns from boxes" if what.startswith(_BOXES) else ""
    return (
        f"{root} holds {what}, and no pictures by class, which classifiers learn from{boxes}. Give a folder of "
        f"pictures for each class, as in {root.name}/cat/1.jpg"
    )


def _by_folders(folder: Path) -> str | None:
    names = {re.sub(r"[\W_]", "", entry.name.lower()): entry for entry in _folders(folder)}
    if "jpegimages" in names:
        return f"{_BOXES} or masks (Pascal VOC: {', '.join(entry.name for entry in names.values())})"
    pictures = next((names[name] for name in sorted(_PICTURE_FOLDERS) if name in names), None)
    masks = next((names[name] for name in sorted(_MASK_FOLDERS) if name in names), None)
    if pictures is not None and masks is not None:
        return f"{_MASKS} (the folders {pictures.name} and {masks.name})"
    if pictures is not None and "labels" in names:
        text = any(path.suffix.lower() in {".txt", ".json", ".xml"} for path in names["labels"].rglob("*"))
        kind = f"{_BOXES} (YOLO" if text else f"{_MASKS} ("
        return f"{kind}{': ' if text else ''}the folders {pictures.name} and {names['labels'].name})"
    if pictures is not None and {"annotations", "annotation"} & set(names):
        return f"{_BOXES} (the folders {pictures.name} and annotations)"
    coco = [entry for name, entry in names.items() if _COCO_FOLDER.fullmatch(name)]
    if coco and not any(_folders(entry) for entry in coco):
        return f"{_BOXES} (COCO: {', '.join(entry.name for entry in coco)})"
    return None


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # the reader of the folder says what is wrong
        return []
