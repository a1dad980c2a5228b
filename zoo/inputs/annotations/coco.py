"""Reads COCO's object detection JSON, as Roboflow, CVAT and Label Studio write it.

https://cocodataset.org/#format-data: `bbox` is left, top, width, height in pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, in_one_line
from zoo.files.reading import read_bytes
from zoo.inputs.annotations.pictures import Folder, Several
from zoo.inputs.annotations.values import TOLERANCE, Array, BoxData, Stated, Tally, merged, numbers, whole_size
from zoo.inputs.splits import SplitName, split_of, split_within
from zoo.machine.memory import available

MOST_BYTES = 512 << 20
"""Bytes of a JSON file at most; COCO's own training annotations have 448 MB."""
ROBOFLOW = "_annotations.coco.json"
TYPICAL = (ROBOFLOW, "result.json")
"""Names of annotation files, beside all that begin with `instances`."""
NEEDED = "it needs the lists images, annotations and categories, and bbox in the annotations"
"""What a document needs."""
MOST_DOCUMENTS = 100
"""JSON files in a folder at most; more of them are notes, one for each picture."""
_BYTES_EACH = {b"[": 72, b"{": 280, b",": 32}
"""Bytes that Python takes for a list, an object of some fields, and each value in them, beside its text."""
_ROOM = 0.01
"""Degrees of rotation that count as none."""


def is_coco(document: object) -> bool:
    """Whether a JSON document is COCO's of boxes: pictures, categories, and annotations with boxes or none at all."""
    if not isinstance(document, dict):
        return False
    lists = [document.get(key) for key in ("images", "annotations", "categories")]
    if not all(isinstance(one, list) for one in lists):
        return False
    annotations = document["annotations"]
    return not annotations or any(isinstance(one, dict) and "bbox" in one for one in annotations[:100])


def read_json(path: Path) -> Any:
    """Reads a JSON document of a stranger.

    Raises:
        InputError: it cannot be read, has more than `MOST_BYTES` bytes, is no JSON, is nested too deeply, or would take
            more than the free memory.
    """
    content = read_bytes(path, "the annotation file", MOST_BYTES)
    memory, free = _memory_of(content), available()
    if memory > free:
        raise InputError(
            f"the annotation file {path} takes about {memory / 1e9:.1f} GB of memory, of which {free / 1e9:.1f} GB are "
            "free: leave outlines (segmentation) out, or divide it"
        )
    try:
        return json.loads(content)
    except RecursionError as error:
        raise InputError(f"the annotation file {path} is nested too deeply to be read") from error
    except ValueError as error:  # no UTF-8, too, and numbers of thousands of digits
        raise InputError(f"the annotation file {path} is no JSON: {in_one_line(error, 200)}") from error


def _memory_of(content: bytes) -> int:
    """Returns about how many bytes a JSON document takes as values of Python, without parsing it."""
    return 2 * len(content) + sum(each * content.count(mark) for mark, each in _BYTES_EACH.items())


def seem_coco(paths: Sequence[Path]) -> bool:
    """Whether one of some JSON files is COCO's by its name, or holds the words of one; nothing is parsed."""
    return any(_is_sure(path) or _has_words(path) for path in _chosen(paths))


def _is_sure(path: Path) -> bool:
    """Whether a file has a name that no other kind of files has."""
    return path.name.lower() == ROBOFLOW or path.name.lower().startswith(("instance_", "instances_"))


def _has_words(path: Path) -> bool:
    try:
        content = read_bytes(path, "the annotation file", MOST_BYTES)
    except InputError:
        return path.name.lower() in TYPICAL
    if b"\0" in content[:64]:  # UTF-16
        content = content.replace(b"\0", b"")
    return all(f'"{word}"'.encode() in content for word in ("images", "annotations", "categories"))


def _chosen(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields the JSON files that may be COCO's; of files in one folder, those called `instances...`, if any are."""
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    for files in by_folder.values():
        instances = [path for path in files if path.name.lower().startswith("instance")]
        typical = [path for path in files if path.name.lower() in TYPICAL]
        yield from instances or (files if len(files) <= MOST_DOCUMENTS else typical)


def find_documents(paths: Sequence[Path]) -> dict[Path, Any]:
    """Reads the JSON files that are COCO's; of files in one folder, those called `instances...` alone if there are any.

    COCO's own folder holds captions and key points beside them. JSON files of other kinds are passed over.

    Raises:
        InputError: a file with one of the usual names cannot be read, or is another kind of document.
    """
    found = {}
    for path in _chosen(paths):
        try:
            document = read_json(path)
        except InputError:
            if _is_sure(path) or path.name.lower() in TYPICAL:
                raise
            continue
        if is_coco(document):
            found[path] = document
        elif _is_sure(path):
            raise InputError(f"{path} is no COCO file of boxes: {NEEDED}")
    return found


def read(documents: dict[Path, Any], folder: Folder) -> BoxData:
    """Returns what COCO's documents state.

    Crowds (`iscrowd`) and CVAT's rotated boxes (`attributes.rotation`) are left out and counted. A category that has no
    objects and that others name as their `supercategory`, as Roboflow writes it, is none.

    Args:
        documents: documents that `is_coco` knows, by file.
        folder: the files of the data folder.
    """
    tally = Tally()
    pictures: list[Stated] = []
    names: dict[str, None] = {}
    parents: set[str] = set()
    for path, document in documents.items():
        categories, theirs = _categories(path, document["categories"], tally)
        names |= dict.fromkeys(categories.values())
        parents |= theirs
        pictures += _pictures(path, document, categories, folder, tally)
    used = {label for one in pictures for label in one.labels}
    dropped = [name for name in names if name in parents and name not in used]
    notes = [f"the category {name} has no objects and is a group of others: it is no class" for name in dropped]
    listed = {one.path for one in pictures}
    unlisted = [path for path in folder.pictures if path not in listed]
    tally.add("unlisted", unlisted[0] if unlisted else "", len(unlisted))
    class_names = tuple(name for name in names if name not in dropped)
    return BoxData(folder.root, "COCO", merged(pictures, tally), class_names, tally.remarks(), tuple(notes))


def _categories(path: Path, categories: Iterable[Any], tally: Tally) -> tuple[dict[Any, str], set[str]]:
    """Returns the names by id, in the order of the ids, and the names that others give as their supercategory.

    Raises:
        InputError: an id has two names, as in files that were put together by hand.
    """
    found: dict[int, str] = {}
    parents = set()
    for i, one in enumerate(categories):
        number, name = (one.get("id"), one.get("name")) if isinstance(one, dict) else (None, None)
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(name, str) or not name.strip():
            tally.add("malformed", f"{path}, category {i}")
            continue
        if found.setdefault(number, name.strip()) != name.strip():
            raise InputError(
                f"{path} gives two categories the id {number}, {found[number][:80]!r} and {name.strip()[:80]!r}, and "
                "nobody knows which of them an annotation means: give each an id of its own"
            )
        above = one.get("supercategory")
        if isinstance(above, str) and above != name:
            parents.add(above.strip())
    return dict(sorted(found.items())), parents


def _pictures(path: Path, document: Any, categories: dict[Any, str], folder: Folder, tally: Tally) -> list[Stated]:
    objects = _objects(path, document["annotations"], categories, tally)
    split = _split(path, folder)
    made = []
    for number, images in _by_id(path, document["images"], tally).items():
        labels, boxes = objects.pop(number, ([], []))
        image = images[0]
        name = image["file_name"]
        if any(other["file_name"] != name for other in images):
            tally.add("same_id", f"{path}, {name}, id {number!r}"[:300], len(images))
            continue
        try:
            picture = folder.find(name, path.parent)
        except Several:
            tally.add("several", f"{path}, {name}")
            continue
        if picture is None:
            tally.add("no_picture", f"{path}, {name}")
            continue
        size = whole_size(image.get("width"), image.get("height"))
        placed = np.array(boxes).reshape(-1, 4)
        tally.add("corners", f"{path}, {name}", _seem_corners(placed, size))
        made.append(Stated(picture, tuple(labels), placed, size=size, split=split or folder.split(picture)))
    lost = sum(len(labels) for labels, _ in objects.values())
    tally.add("malformed", f"{path}, an annotation of image {next(iter(objects), '')}, which it does not list", lost)
    return made


def _by_id(path: Path, images: Iterable[Any], tally: Tally) -> dict[int | str, list[Any]]:
    """Returns the entries of pictures by id; those without a name or an id are counted."""
    found: dict[int | str, list[Any]] = {}
    for i, image in enumerate(images):
        name, number = (image.get("file_name"), image.get("id")) if isinstance(image, dict) else (None, None)
        if isinstance(name, str) and isinstance(number, int | str):
            found.setdefault(number, []).append(image)
        else:
            tally.add("malformed", f"{path}, image {i}")
    return found


def _seem_corners(boxes: Array, size: tuple[int, int] | None) -> int:
    """Returns how many boxes leave a picture of this size, but would not if width and height were right and bottom."""
    if size is None:
        return 0
    sides = boxes[:, 2:] - boxes[:, :2]
    over = (boxes[:, 2:] > np.array(size) + TOLERANCE).any(axis=1)
    inside = ((sides > boxes[:, :2]) & (sides <= np.array(size) + TOLERANCE)).all(axis=1)
    return int((over & inside).sum())


def _objects(
    path: Path, annotations: Iterable[Any], categories: dict[Any, str], tally: Tally
) -> dict[Any, tuple[list[str], list[tuple[float, ...]]]]:
    """Returns the labels and boxes (left, top, right, bottom) by the id of their picture."""
    found: dict[Any, tuple[list[str], list[tuple[float, ...]]]] = {}
    for i, one in enumerate(annotations):
        where = f"{path}, annotation {i}"
        box = one.get("bbox") if isinstance(one, dict) else None
        sides = numbers(box) if isinstance(box, list) and len(box) == 4 else None
        if sides is None or not isinstance(one.get("image_id"), int | str):
            tally.add("malformed", where)
            continue
        attributes = one.get("attributes")
        turned = numbers((attributes.get("rotation", 0),)) if isinstance(attributes, dict) else (0.0,)
        category = one.get("category_id")
        name = categories.get(category) if isinstance(category, int) else None
        if str(one.get("iscrowd")) in {"1", "True"}:
            tally.add("crowd", where)
        elif turned and _ROOM < turned[0] % 360 < 360 - _ROOM:
            tally.add("rotated", where)
        elif name is None:
            tally.add("unknown", f"{where}, category {category!r}"[:300])
        else:
            left, top, width, height = sides
            labels, boxes = found.setdefault(one["image_id"], ([], []))
            labels.append(name)
            boxes.append((left, top, left + width, top + height))
    return found


def _split(path: Path, folder: Folder) -> SplitName | None:
    """Returns the split of a file's pictures: `instances_train2017.json`, `train/_annotations.coco.json`."""
    return split_of(path.stem) or split_within(path.stem) or folder.split(path)
