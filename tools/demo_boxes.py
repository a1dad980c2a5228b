"""Provides labelled boxes for demonstrations: handwritten digits on photos, as a labelling tool exports them.

The digits are those of `demo_digits`; the photos are scikit-learn's `china.jpg` and `flower.jpg`. Boxes are exact,
since the digits were put there. Training and held-out pictures share no digit; they are cut from the same two photos.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from demo_digits import HELD_OUT, LABELS, digits

SIZE = 256
"""Width and height of a picture."""
COUNTS = (2, 5)
"""The least and the most digits of a picture, if there is room."""
HEIGHTS = (64, 120)
"""Height of the smallest and the largest digit, in pixels, before its empty margin is cut off."""
INK = (80, 152)
"""Gray values of a digit, 0..255: what has less than the first is paper, what has more than the second is ink."""
PLACES = 24
"""Number of places that are looked at for each digit; it gets the one where the photo is plainest."""
UNREST = 40
"""The largest standard deviation of brightness, 0..255, on which a digit is legible."""
GAP = 4
"""The least distance of two digits, in pixels."""


class Digit(NamedTuple):
    """A digit in a picture."""

    number: int
    box: tuple[int, int, int, int]
    """Left, top, right and bottom in pixels."""


def photos() -> list[Image.Image]:
    """Returns scikit-learn's two photos, 640x427 each."""
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "images"
    return [Image.open(folder / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]


def pictures(count: int, *, held_out: bool, seed: int = 0) -> list[tuple[Image.Image, list[Digit]]]:
    """Returns pictures with some digits each, see `COUNTS`.

    Args:
        count: the number of pictures.
        held_out: whether the digits are held-out ones, or the rest.
        seed: the same seed gives the same pictures.
    """
    drawn, truth = digits()
    part = slice(HELD_OUT) if held_out else slice(HELD_OUT, None)
    drawn, truth = drawn[part], truth[part]
    random = np.random.default_rng((seed, held_out))
    backgrounds = photos()
    found = []
    for _ in range(count):
        picture = _background(backgrounds[random.integers(len(backgrounds))], random)
        placed: list[Digit] = []
        for _ in range(random.integers(COUNTS[0], COUNTS[1] + 1)):
            at = random.integers(len(truth))
            box = _put(picture, drawn[at], [digit.box for digit in placed], random)
            if box is not None:
                placed.append(Digit(int(truth[at]), box))
        found.append((Image.fromarray(picture), placed))
    return found


def save(folder: Path, train: int, held_out: int, seed: int = 0) -> None:
    """Writes pictures as YOLO's data sets are exported: `train`, `valid`, and `data.yaml` with the names.

    Args:
        folder: a new folder.
        train: the number of training pictures.
        held_out: the number of held-out pictures.
        seed: see `pictures`.
    """
    for split, count in (("train", train), ("valid", held_out)):
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True)
        for i, (picture, placed) in enumerate(pictures(count, held_out=split == "valid", seed=seed)):
            picture.save(folder / split / "images" / f"{i:03}.jpg", quality=92)
            lines = "".join(f"{_line(digit)}\n" for digit in placed)
            (folder / split / "labels" / f"{i:03}.txt").write_text(lines, encoding="utf-8")
    names = f"train: train/images\nval: valid/images\nnames: [{', '.join(LABELS)}]\n"
    (folder / "data.yaml").write_text(names, encoding="utf-8")


def _line(digit: Digit) -> str:
    left, top, right, bottom = (side / SIZE for side in digit.box)
    shares = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return " ".join([str(digit.number), *(f"{share:.6f}" for share in shares)])


def _background(photo: Image.Image, random: np.random.Generator) -> Any:
    """Returns a random square of a photo, maybe mirrored, as `(SIZE, SIZE, 3)` uint8."""
    side = int(random.uniform(0.45, 1) * min(photo.size))
    left, top = (int(random.integers(whole - side + 1)) for whole in photo.size)
    square = photo.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    pixels = np.array(square)
    return pixels[:, ::-1].copy() if random.random() < 0.5 else pixels


def _put(
    picture: Any, drawn: Any, taken: list[tuple[int, int, int, int]], random: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Draws a digit into a picture, dark where the photo is light; returns its box, None if no place is fit for it."""
    height = round(float(np.exp(random.uniform(*np.log(HEIGHTS)))))
    ink = _strokes(np.asarray(Image.fromarray(drawn).resize((height, height), Image.Resampling.BICUBIC)))
    high, wide = ink.shape
    best, least = None, float(UNREST)
    for left, top in zip(
        random.integers(SIZE - wide + 1, size=PLACES), random.integers(SIZE - high + 1, size=PLACES), strict=True
    ):
        box = (int(left), int(top), int(left) + wide, int(top) + high)
        if not any(_meet(box, other) for other in taken):
            unrest = float(_within(picture, box).mean(axis=-1).std())
            if unrest < least:
                best, least = box, unrest
    if best is None:
        return None
    under = _within(picture, best)
    light = float(under.mean()) < 128
    colour = random.integers(205, 256, 3) if light else random.integers(0, 50, 3)
    alpha = ink[..., np.newaxis] * random.uniform(0.85, 1)
    under[:] = (under * (1 - alpha) + colour * alpha).round().astype(np.uint8)
    return best


def _strokes(gray: Any) -> Any:
    """Returns how much ink is where, 0..1, with edges as sharp as in a photo and without an empty margin."""
    paper, full = INK
    ink = np.clip((gray.astype(np.float32) - paper) / (full - paper), 0, 1)
    rows, columns = np.nonzero(ink >= 0.5)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _within(picture: Any, box: tuple[int, int, int, int]) -> Any:
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def _meet(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> bool:
    return (
        first[0] < second[2] + GAP
        and second[0] < first[2] + GAP
        and first[1] < second[3] + GAP
        and second[1] < first[3] + GAP
    )
