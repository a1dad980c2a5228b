"""Writes one and the same small set of labelled boxes as each labelling tool exports it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (60, 40)
"""Width and height of the pictures."""
NAMES = ("cup", "dog", "traffic light")
SCENES: dict[str, dict[str, list[tuple[str, tuple[int, int, int, int]]]]] = {
    "train": {
        "a.jpg": [("dog", (3, 6, 30, 26)), ("cup", (33, 10, 45, 20))],
        "b.jpg": [],
        "c.jpg": [("traffic light", (12, 2, 21, 38))],
    },
    "valid": {"d.jpg": [("dog", (0, 0, 60, 40))], "e.jpg": [("cup", (6, 4, 18, 36)), ("cup", (30, 4, 42, 36))]},
}
"""Label and left, top, right, bottom of each object; shares of the sides have few digits."""


def expected(names: tuple[str, ...] = ("train", "valid")) -> dict[str, list[tuple[str, list[float]]]]:
    """The objects by the name of the picture."""
    return {
        picture: [(label, [float(side) for side in box]) for label, box in objects]
        for split in names
        for picture, objects in SCENES[split].items()
    }


def picture(name: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of noise, another one for each name."""
    rng = np.random.default_rng(list(name.encode()))
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


def _save(folder: Path, split: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES[split]:
        picture(name).save(folder / name)


def coco_document(splits: tuple[str, ...], prefix: str = "", *, dummy: bool = False) -> dict[str, Any]:
    """COCO's document of some splits; a dummy category is Roboflow's group of all others."""
    start = 0 if dummy else 1
    categories = [{"id": 0, "name": "things", "supercategory": "none"}] if dummy else []
    categories += [
        {"id": i + 1, "name": name, "supercategory": "things" if dummy else ""} for i, name in enumerate(NAMES)
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for split in splits:
        for name, objects in SCENES[split].items():
            images.append({"id": len(images) + start, "file_name": prefix + name, "width": SIZE[0], "height": SIZE[1]})
            for label, (left, top, right, bottom) in objects:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": images[-1]["id"],
                        "category_id": NAMES.index(label) + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": (right - left) * (bottom - top),
                        "iscrowd": 0,
                    }
                )
    return {"images": images, "annotations": annotations, "categories": categories}


def voc_xml(name: str, objects: list[tuple[str, tuple[int, int, int, int]]], size: tuple[int, int] = SIZE) -> str:
    """The annotation of a picture in VOC's XML."""
    parts = "".join(
        f"<object><name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
        f"<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for label, box in objects
    )
    return (
        f"<annotation><folder>x</folder><filename>{name}</filename><path>C:\\Users\\me\\{name}</path><size><width>{size[0]}"
        f"</width><height>{size[1]}</height><depth>3</depth></size><segmented>0</segmented>{parts}</annotation>"
    )


def yolo_lines(objects: list[tuple[str, tuple[int, int, int, int]]]) -> str:
    """The label file of a picture in YOLO's shares."""
    lines = []
    for label, (left, top, right, bottom) in objects:
        numbers = [(left + right) / 2 / SIZE[0], (top + bottom) / 2 / SIZE[1]]
        numbers += [(right - left) / SIZE[0], (bottom - top) / SIZE[1]]
        lines.append(" ".join([str(NAMES.index(label)), *(f"{number:.6f}" for number in numbers)]))
    return "\n".join(lines)


def _yolo(pictures: Path, labels: Path, split: str) -> None:
    _save(pictures, split)
    labels.mkdir(parents=True, exist_ok=True)
    for name, objects in SCENES[split].items():
        (labels / name).with_suffix(".txt").write_text(yolo_lines(objects))


def roboflow_coco(root: Path) -> None:
    """`train/_annotations.coco.json` beside the pictures."""
    for split in SCENES:
        _save(root / split, split)
        document = json.dumps(coco_document((split,), dummy=True))
        (root / split / "_annotations.coco.json").write_text(document)


def roboflow_yolo(root: Path) -> None:
    """`train/images`, `train/labels`, and `data.yaml` with paths that lead out of the folder."""
    for split in SCENES:
        _yolo(root / split / "images", root / split / "labels", split)
    (root / "data.yaml").write_text(
        f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 3\nnames: {list(NAMES)}\n\n"
        "roboflow:\n  workspace: me\n  project: things\n  version: 1\n  license: CC BY 4.0\n"
    )
    (root / "README.roboflow.txt").write_text("things - v1\n")


def roboflow_voc(root: Path) -> None:
    """`train/a.xml` beside `train/a.jpg`."""
    for split, scenes in SCENES.items():
        _save(root / split, split)
        for name, objects in scenes.items():
            (root / split / name).with_suffix(".xml").write_text(voc_xml(name, objects))


def roboflow_csv(root: Path) -> None:
    """`train/_annotations.csv`, which cannot name pictures without objects."""
    for split, scenes in SCENES.items():
        _save(root / split, split)
        with (root / split / "_annotations.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
            table.writerows([name, *SIZE, label, *box] for name, objects in scenes.items() for label, box in objects)


def cvat_coco(root: Path) -> None:
    """`annotations/instances_train.json` and `images/train/`."""
    (root / "annotations").mkdir(parents=True)
    for split in SCENES:
        _save(root / "images" / split, split)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(coco_document((split,))))


def cvat_yolo(root: Path) -> None:
    """`obj.names`, `obj_train_data/` with both, and lists of pictures with a folder in front that is not there."""
    for split, folder in (("train", "obj_train_data"), ("valid", "obj_valid_data")):
        _yolo(root / folder, root / folder, split)
        lines = "\n".join(f"data/{folder}/{name}" for name in SCENES[split])
        (root / f"{split}.txt").write_text(lines + "\n")
    (root / "obj.names").write_text("\n".join(NAMES) + "\n")
    (root / "obj.data").write_text("classes = 3\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")


def cvat_voc(root: Path) -> None:
    """`Annotations/`, `JPEGImages/`, and the splits in `ImageSets/Main`."""
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for split, list_name in (("train", "train"), ("valid", "val")):
        _save(root / "JPEGImages", split)
        for name, objects in SCENES[split].items():
            (root / "Annotations" / name).with_suffix(".xml").write_text(voc_xml(name, objects))
        stems = "\n".join(Path(name).stem for name in SCENES[split])
        (root / "ImageSets" / "Main" / f"{list_name}.txt").write_text(stems + "\n")
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\ncup:1,2,3::\n")


def ultralytics(root: Path) -> None:
    """`images/train`, `labels/train`, and `data.yaml` with a map of names."""
    for split, name in (("train", "train"), ("valid", "val")):
        _yolo(root / "images" / name, root / "labels" / name, split)
    names = "\n".join(f"  {i}: {name}" for i, name in enumerate(NAMES))
    (root / "data.yaml").write_text(
        f"path: /content/things  # root\ntrain: images/train\nval: images/val\nnames:\n{names}\n"
    )


def label_studio_yolo(root: Path) -> None:
    """`images/`, `labels/`, `classes.txt`, `notes.json`; no splits."""
    for split in SCENES:
        _yolo(root / "images", root / "labels", split)
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n")
    (root / "notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "cup"}], "info": {}}))


def label_studio_coco(root: Path) -> None:
    """`result.json` and `images/`; no splits."""
    for split in SCENES:
        _save(root / "images", split)
    (root / "result.json").write_text(json.dumps(coco_document(tuple(SCENES), "images\\")))


def label_img_voc(root: Path) -> None:
    """XML files beside the pictures; no splits."""
    for split, scenes in SCENES.items():
        _save(root, split)
        for name, objects in scenes.items():
            (root / name).with_suffix(".xml").write_text(voc_xml(name, objects))


def label_img_yolo(root: Path) -> None:
    """Text files and `classes.txt` beside the pictures; no splits."""
    for split in SCENES:
        _yolo(root, root, split)
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n")


def own_csv(root: Path) -> None:
    """`boxes.csv` of path,label,xmin,ymin,xmax,ymax,split, with pictures without objects."""
    lines = ["path,label,xmin,ymin,xmax,ymax,split"]
    for split, scenes in SCENES.items():
        _save(root / "photos", split)
        for name, objects in scenes.items():
            lines += [f"photos/{name},{label},{','.join(map(str, box))},{split}" for label, box in objects]
            lines += [] if objects else [f"photos/{name},,,,,,{split}"]
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")


LAYOUTS: dict[str, tuple[Callable[[Path], None], str, bool]] = {
    "Roboflow COCO": (roboflow_coco, "COCO", True),
    "Roboflow YOLO": (roboflow_yolo, "YOLO", True),
    "Roboflow VOC": (roboflow_voc, "Pascal VOC", True),
    "Roboflow CSV": (roboflow_csv, "CSV", True),
    "CVAT COCO": (cvat_coco, "COCO", True),
    "CVAT YOLO": (cvat_yolo, "YOLO", True),
    "CVAT VOC": (cvat_voc, "Pascal VOC", True),
    "Ultralytics YOLO": (ultralytics, "YOLO", True),
    "Label Studio YOLO": (label_studio_yolo, "YOLO", False),
    "Label Studio COCO": (label_studio_coco, "COCO", False),
    "LabelImg VOC": (label_img_voc, "Pascal VOC", False),
    "LabelImg YOLO": (label_img_yolo, "YOLO", False),
    "our CSV": (own_csv, "CSV", True),
}
"""How each is written, its format, and whether it names splits."""
