"""Draws boxes and names into pictures, legibly at any size."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from zoo.inputs.fit import Box
from zoo.text import shown

if TYPE_CHECKING:
    from zoo.tasks.detection import Detection

LEAST_TEXT = 11
"""The smallest height of letters in pixels; smaller ones cannot be read."""
TEXT_SHARE = 1 / 32
"""Height of letters as a share of the picture's shorter side."""
LONGEST = 32
"""The most characters of a name; the rest is left out."""
_GOLDEN = 0.618034


def colour(index: int) -> tuple[int, int, int]:
    """Returns the colour of a class: bright, and far from those of the classes beside it."""
    red, green, blue = colorsys.hsv_to_rgb((index * _GOLDEN) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def drawn(picture: Image.Image, found: Sequence[Detection]) -> Image.Image:
    """Returns an RGB copy of a picture with a box, a name and a score for each object.

    The best object is drawn last, so that its name is on top. A name stands above its box, or inside where there is no
    room above; letters and lines grow with the picture.

    Args:
        picture: the upright picture, in whose pixels the boxes are.
        found: the objects, best first.
    """
    made = picture.convert("RGB") if picture.mode != "RGB" else picture.copy()
    pen = ImageDraw.Draw(made)
    height = max(LEAST_TEXT, round(min(made.size) * TEXT_SHARE))
    font = ImageFont.load_default(height)
    line = max(1, round(height / 7))
    for one in reversed(found):
        _box(pen, made.size, one.box, colour(one.index), line)
    for one in reversed(found):
        name = shown(one.label)
        name = name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
        _name(pen, made.size, one.box, f"{name} {one.score:.0%}", colour(one.index), font, line)
    return made


def crop(picture: Image.Image, box: Box) -> Image.Image:
    """Returns the part of a picture in a box, at least one pixel wide and high."""
    left = min(max(0, math.floor(box.left)), picture.width - 1)
    top = min(max(0, math.floor(box.top)), picture.height - 1)
    right = min(picture.width, max(left + 1, math.ceil(box.right)))
    bottom = min(picture.height, max(top + 1, math.ceil(box.bottom)))
    return picture.crop((left, top, right, bottom))


def _box(pen: ImageDraw.ImageDraw, size: tuple[int, int], box: Box, ink: tuple[int, int, int], line: int) -> None:
    left, top = round(box.left), round(box.top)
    right = min(size[0] - 1, max(left, round(box.right) - 1))
    bottom = min(size[1] - 1, max(top, round(box.bottom) - 1))
    # A dark line around the bright one, so that a box is seen on any ground.
    pen.rectangle((left, top, right, bottom), outline=(0, 0, 0), width=line + 2)
    inset = 1 if right - left > 2 and bottom - top > 2 else 0
    pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=ink, width=line)


def _name(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: Box,
    text: str,
    ink: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    line: int,
) -> None:
    """Writes a name on a plate that lies inside of the picture, cut where the picture is narrower than the name."""
    start, above, end, below = pen.textbbox((0, 0), text, font=font)
    while end - start + 2 * line > size[0] and len(text) > 1:
        text = text[:-1]
        start, above, end, below = pen.textbbox((0, 0), text, font=font)
    wide, high = end - start + 2 * line, below - above + 2 * line
    left = min(max(0, round(box.left)), max(0, size[0] - round(wide)))
    over = round(box.top - high)
    top = over if over >= 0 else min(max(0, round(box.top)), max(0, size[1] - round(high)))
    pen.rectangle((left, top, left + wide - 1, top + high - 1), fill=ink)
    bright = 0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2] > 128
    pen.text((left + line - start, top + line - above), text, fill=(0, 0, 0) if bright else (255, 255, 255), font=font)
