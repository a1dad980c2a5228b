"""Reads Pascal VOC's XML files, one a picture, as LabelImg, Roboflow, CVAT and Label Studio write them.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/: `bndbox` is xmin, ymin, xmax, ymax in pixels. Tools disagree by
one on where the first pixel is, which is within what anybody can draw; coordinates are taken as edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from zoo.errors import InputError, in_one_line
from zoo.files.reading import read_bytes, read_list
from zoo.inputs.annotations.pictures import Folder, Several
from zoo.inputs.annotations.values import BoxData, Stated, Tally, merged, numbers, whole_size
from zoo.inputs.splits import SplitName, split_of

MOST_BYTES = 16 << 20
"""Bytes of an XML file at most: more than fifty thousand objects."""
MOST_DEPTH = 32
"""Elements within each other at most; VOC has four."""
_OTHER = {"robndbox", "rotated_box"}
"""What `roLabelImg` and others write instead of `bndbox`."""


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree of a stranger's document, which may neither define entities nor name other files."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuses a document type: entities could fill the memory, and external ones read other files."""
        raise ValueError("it declares a document type, which annotations do not need")

    def start(self, tag: str, attrs: Mapping[str, str], /) -> ElementTree.Element:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ValueError(f"more than {MOST_DEPTH} elements stand within each other")
        return super().start(tag, dict(attrs))

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def read_xml(path: Path) -> ElementTree.Element:
    """Reads an XML document of a stranger, without document types, entities and other files.

    Raises:
        InputError: it cannot be read, has more than `MOST_BYTES` bytes, is no XML, or declares a document type.
    """
    content = read_bytes(path, "the annotation file", MOST_BYTES)
    parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314  # the builder refuses document types
    try:
        parser.feed(content)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise InputError(
            f"the annotation file {path} is no XML that is read here: {in_one_line(error, 200)}"
        ) from error
    return root


def looks_like_voc(path: Path) -> bool:
    """Whether the beginning of a file is that of an annotation of VOC's; nothing is parsed."""
    try:
        with path.open("rb") as file:
            return b"<annotation" in file.read(4096).replace(b"<annotations", b"")
    except OSError:
        return False


def read(paths: Sequence[Path], folder: Folder) -> BoxData:
    """Returns what VOC's files state; files that are none of VOC's, or damaged, are counted.

    Args:
        paths: the XML files.
        folder: the files of the data folder.
    """
    tally = Tally()
    pictures = []
    for path in paths:
        try:
            root = read_xml(path)
        except InputError as error:
            tally.add("malformed", error)
            continue
        if root.tag == "annotation":
            one = _picture(path, root, folder, tally)
            pictures += [one] if one is not None else []
    pictures = _with_lists(pictures, folder)
    listed = {one.path for one in pictures}
    unlisted = [picture for picture in folder.pictures if picture not in listed and not _is_mask(picture)]
    tally.add("unlisted", unlisted[0] if unlisted else "", len(unlisted))
    names = tuple(sorted({label for one in pictures for label in one.labels}))
    return BoxData(folder.root, "Pascal VOC", merged(pictures, tally), names, tally.remarks())


def _picture(path: Path, root: ElementTree.Element, folder: Folder, tally: Tally) -> Stated | None:
    try:
        # The file's own name first: in renamed data, and in copies of a file, `filename` is that of another picture.
        picture = folder.beside(path) or folder.find(root.findtext("filename") or "", path.parent)
    except Several:
        tally.add("several", path)
        return None
    if picture is None:
        tally.add("no_picture", path)
        return None
    size = root.find("size")
    labels, boxes = [], []
    for i, one in enumerate(root.findall("object")):
        where = f"{path}, object {i}"
        name = (one.findtext("name") or "").strip()
        box = one.find("bndbox")
        turned = numbers((one.findtext("rotation") or one.findtext("attributes/rotation") or 0,)) or (0.0,)
        if any(one.find(tag) is not None for tag in _OTHER) or turned[0] % 360 or _rotation(one) % 360:
            tally.add("rotated", where)
            continue
        sides = numbers([box.findtext(side) for side in ("xmin", "ymin", "xmax", "ymax")]) if box is not None else None
        if sides is None or not name:
            tally.add("malformed", where)
            continue
        labels.append(name)
        boxes.append(sides)
    stated = whole_size(size.findtext("width"), size.findtext("height")) if size is not None else None
    return Stated(picture, tuple(labels), np.array(boxes).reshape(-1, 4), size=stated, split=folder.split(picture))


def _rotation(entry: ElementTree.Element) -> float:
    """Returns the degrees in CVAT's list of attributes of an object; 0 where there are none."""
    for one in entry.findall("attributes/attribute"):
        if one.findtext("name") == "rotation":
            found = numbers((one.findtext("value"),))
            return found[0] if found else 0.0
    return 0.0


def _with_lists(pictures: list[Stated], folder: Folder) -> list[Stated]:
    """Returns pictures with the splits of the lists in `ImageSets/Main`, where the folders name none."""
    if any(one.split for one in pictures):
        return pictures
    splits: dict[str, SplitName] = {}
    count: Counter[str] = Counter()
    for path in folder.others:
        split = split_of(path.stem) if path.suffix.lower() == ".txt" and "ImageSets" in path.parts else None
        if split is not None:
            for line in read_list(path, "the list of pictures").split("\n"):
                if line.strip():
                    # VOC's own lists have names without suffixes; those of a class have 1 or -1 behind them.
                    stem = Path(line.split()[0]).name
                    splits[stem.rsplit(".", 1)[0]] = splits[stem] = split
                    count[split] += 1
    return [
        Stated(
            one.path, one.labels, one.boxes, size=one.size, split=splits.get(one.path.name) or splits.get(one.path.stem)
        )
        for one in pictures
    ]


def _is_mask(picture: Path) -> bool:
    return any(name.startswith("Segmentation") for name in picture.parts)
