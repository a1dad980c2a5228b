"""Makes labelled pictures for detectors: real cut-outs on real photos, so that the boxes are exact.

The scenes are artificial: objects lie anywhere and float. Training and test pictures share neither a cut-out nor a
photo. Cut-outs are PNG files with a transparent background, such as those of Debian's `tuxpaint-stamps-default`; photos
are any JPEG files, such as those of `mate-backgrounds` and `lomiri-wallpapers-20.04`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from zoo.tasks.objects.boxes import overlaps

TUXPAINT = {
    "bird": ("animals/birds",),
    "mammal": ("animals/mammals", "animals/marsupials"),
    "food": ("food",),
    "vehicle": ("vehicles",),
}
"""Classes, each with the folders of the package `tuxpaint-stamps-default` that show them."""
LEAST_SIDE, MOST_SIDE = 0.12, 0.65
"""The longer side of a cut-out, as a share of the picture's."""
MOST_OBJECTS = 4
VISIBLE = 60
"""The least opacity, of 255, of what belongs to an object."""
HELD_OUT = 0.25
"""The share of cut-outs and photos that only test pictures show."""
TRIES = 10

Cutouts = Mapping[str, Sequence[Image.Image]]
Rectangle = tuple[int, int, int, int]


def write(folder: Path, stamps: Path, photos: Path, *, count: int, test: int, size: int) -> None:
    """Writes folders `train` and `test`, each with JPEG files and `_annotations.coco.json`.

    Args:
        folder: a new folder.
        stamps: the folder that the folders of `TUXPAINT` are in.
        photos: a folder with JPEG files, at any depth.
        count: number of training pictures.
        test: number of test pictures.
        size: width and height of all pictures.
    """
    names = list(TUXPAINT)
    cutouts = {name: _shuffled(_cutouts(stamps, folders)) for name, folders in TUXPAINT.items()}
    scenes = _shuffled(_photos(photos))
    for split, number in (("train", count), ("test", test)):
        mine = {name: _part(found, split) for name, found in cutouts.items()}
        backgrounds = _part(scenes, split)
        draw = np.random.default_rng((0, split == "test"))
        place = folder / split
        place.mkdir(parents=True)
        pictures: list[dict[str, Any]] = []
        objects: list[dict[str, Any]] = []
        for i in range(number):
            picture, found = _compose(mine, backgrounds, size, draw)
            picture.save(place / f"{i:04}.jpg", quality=92)
            pictures.append({"id": i, "file_name": f"{i:04}.jpg", "width": size, "height": size})
            for name, (left, top, right, bottom) in found:
                box = [left, top, right - left, bottom - top]
                label = {"image_id": i, "category_id": names.index(name), "bbox": box, "area": box[2] * box[3]}
                objects.append({"id": len(objects), **label, "iscrowd": 0})
        categories = [{"id": i, "name": name} for i, name in enumerate(names)]
        content = {"images": pictures, "annotations": objects, "categories": categories}
        (place / "_annotations.coco.json").write_text(json.dumps(content), encoding="utf-8")


def _cutouts(root: Path, folders: Sequence[str]) -> list[Image.Image]:
    found = []
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.png")):
        with Image.open(path) as opened:
            if opened.mode not in {"RGBA", "LA", "P"} or min(opened.size) <= 60 or "_mirror" in path.name:
                continue
            picture = opened.convert("RGBA")
        box = _seen(picture)
        if box is not None:
            picture = picture.crop(box)
            picture.thumbnail((200, 200))
            found.append(picture)
    return found


def _photos(root: Path) -> list[Image.Image]:
    found = []
    for path in sorted(root.rglob("*.jpg")):
        with Image.open(path) as opened:
            opened.draft("RGB", (800, 800))
            picture = opened.convert("RGB")
        picture.thumbnail((640, 640))
        found.append(picture)
    return found


def _compose(
    cutouts: Cutouts, photos: Sequence[Image.Image], size: int, draw: np.random.Generator
) -> tuple[Image.Image, list[tuple[str, Rectangle]]]:
    """Returns a picture with up to `MOST_OBJECTS` objects, and their classes and boxes in pixels."""
    photo = photos[int(draw.integers(len(photos)))]
    side = draw.uniform(0.5, 1) * min(photo.size)
    left, top = (draw.uniform(0, length - side) for length in photo.size)
    picture = photo.crop((int(left), int(top), int(left + side), int(top + side)))
    picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    names = list(cutouts)
    objects: list[tuple[str, Rectangle]] = []
    for _ in range(draw.integers(1, MOST_OBJECTS + 1)):
        name = names[draw.integers(len(names))]
        cutout = _changed(cutouts[name][int(draw.integers(len(cutouts[name])))], size, draw)
        for _ in range(TRIES):
            # Up to a tenth of an object may be outside of the picture.
            x, y = (int(draw.uniform(-0.1 * length, max(size - 0.9 * length, 0))) for length in cutout.size)
            box = (max(x, 0), max(y, 0), min(x + cutout.width, size), min(y + cutout.height, size))
            others = np.array([other for _, other in objects], float).reshape(-1, 4)
            if (overlaps(np.array([box], float), others) < 0.1).all():
                shade = ImageEnhance.Brightness(cutout.convert("RGB")).enhance(float(draw.uniform(0.7, 1.2)))
                picture.paste(shade, (x, y), cutout.getchannel("A"))
                objects.append((name, box))
                break
    return picture, objects


def _changed(cutout: Image.Image, size: int, draw: np.random.Generator) -> Image.Image:
    """Returns a cut-out at a random size, mirrored or not, turned by up to 15 degrees, without a border."""
    factor = size * np.exp(draw.uniform(np.log(LEAST_SIDE), np.log(MOST_SIDE))) / max(cutout.size)
    width, height = (max(4, int(length * factor)) for length in cutout.size)
    changed = cutout.resize((width, height), Image.Resampling.LANCZOS)
    if draw.random() < 0.5:
        changed = changed.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changed = changed.rotate(float(draw.uniform(-15, 15)), expand=True, resample=Image.Resampling.BILINEAR)
    return changed.crop(_seen(changed) or (0, 0, *changed.size))


def _seen(picture: Image.Image) -> Rectangle | None:
    return picture.getchannel("A").point(lambda value: 255 * (value > VISIBLE)).getbbox()


def _shuffled(found: list[Image.Image]) -> list[Image.Image]:
    random.Random(7).shuffle(found)
    return found


def _part(found: Sequence[Image.Image], split: str) -> Sequence[Image.Image]:
    cut = round(HELD_OUT * len(found))
    return found[:cut] if split == "test" else found[cut:]
