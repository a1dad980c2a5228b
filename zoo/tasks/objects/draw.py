"""Draws boxes and names into pictures, legibly at any size."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from zoo.inputs.pictures.fit import Box
from zoo.text import shown

if TYPE_CHECKING:
    from zoo.tasks.objects.answer import Detection
    from zoo.tasks.objects.compared import PictureFigures

LEAST_TEXT = 11
"""The smallest height of letters in pixels; smaller ones cannot be read."""
TEXT_SHARE = 1 / 32
"""Height of letters as a share of the picture's shorter side."""
LONGEST = 32
"""The most characters of a name; the rest is left out."""
LEAST_SIDE = 400
"""Pixels: a picture with a shorter side is enlarged before its mistakes are drawn."""
MOST_SIDE = 4000
"""Pixels: no picture is enlarged beyond this length, so that a narrow one does not fill the memory."""
_GOLDEN = 0.618034

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
RIGHT: Colour = (60, 220, 90)
WRONG: Colour = (255, 70, 60)
MISSED: Colour = (255, 205, 40)
THERE: Colour = (90, 170, 255)


def colour(index: int) -> Colour:
    """Returns the colour of a class: bright, and far from those of the classes beside it."""
    red, green, blue = colorsys.hsv_to_rgb((index * _GOLDEN) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(frozen=True)
class Mark:
    """A box to draw."""

    box: Box
    ink: Colour
    text: str = ""
    """What stands at the box; nothing for a box alone."""
    around: bool = False
    """Whether it is drawn around the box, with the text below: so it is seen beside another mark at the same place."""


def drawn(picture: Image.Image, found: Sequence[Detection]) -> Image.Image:
    """Returns an RGB copy of a picture with a box, a name and a score for each object.

    Args:
        picture: the upright picture, in whose pixels the boxes are.
        found: the objects, best first.
    """
    return marked(picture, [Mark(one.box, colour(one.index), _named(one)) for one in found])


def marked(picture: Image.Image, marks: Sequence[Mark]) -> Image.Image:
    """Returns an RGB copy of a picture with boxes and what stands at them.

    The first is drawn last, so that its text is on top. A text stands above its box (or below it), or inside where
    there is no room; letters and lines grow with the picture.

    Args:
        picture: the upright picture, in whose pixels the boxes are.
        marks: the boxes, those that matter most first.
    """
    made = picture.convert("RGB") if picture.mode != "RGB" else picture.copy()
    pen = ImageDraw.Draw(made)
    font, line = _letters(made.size)
    for one in reversed(marks):
        _box(pen, made.size, _widened(one.box, line + 1) if one.around else one.box, one.ink, line)
    for one in reversed(marks):
        if one.text:
            _name(pen, made.size, one, font, line)
    return made


def drawn_beside_truth(picture: Image.Image, one: PictureFigures) -> Image.Image:
    """Returns an RGB copy of a picture with what is there and what a detector finds, and below it what is what.

    Small pictures are enlarged, so that names can be read.

    Args:
        picture: the upright picture.
        one: what is there, and what is found.
    """
    times = max(1, min(math.ceil(LEAST_SIDE / min(picture.size)), MOST_SIDE // max(picture.size)))
    large = picture.resize((picture.width * times, picture.height * times)) if times > 1 else picture

    def mark(box: Sequence[float], ink: Colour, text: str = "", *, around: bool = False) -> Mark:
        return Mark(Box(*(times * float(side) for side in box)), ink, text, around)

    found = list(zip(one.detections, one.are_right, strict=True))
    there = list(zip(one.truth.labels, one.truth.boxes, one.met, strict=True))
    marks = [mark(object_.box, WRONG, _named(object_)) for object_, right in found if not right]
    marks += [mark(box, MISSED, f"missed: {_short(label)}", around=True) for label, box, met in there if not met]
    marks += [mark(object_.box, RIGHT, _named(object_)) for object_, right in found if right]
    marks += [mark(box, THERE, around=True) for _, box, met in there if met]
    return _with_legend(marked(large, marks))


def _with_legend(picture: Image.Image) -> Image.Image:
    """Returns a picture with a strip below it that says what the colours mean."""
    font, line = _letters(picture.size)
    words = (("found, right", RIGHT), ("found, wrong", WRONG), ("missed", MISSED), ("where it is", THERE))
    pen = ImageDraw.Draw(picture)
    _, above, _, below = pen.textbbox((0, 0), "Ag", font=font)
    gap, row = 4 * line, round(below - above) + 6 * line
    places, left, top = [], gap, 0
    for text, ink in words:
        wide = round(pen.textlength(text, font=font))
        if left > gap and left + wide + gap > picture.width:
            left, top = gap, top + row
        places.append((left, top, text, ink))
        left += wide + 3 * gap
    made = Image.new("RGB", (picture.width, picture.height + top + row))
    made.paste(picture)
    pen = ImageDraw.Draw(made)
    for left, top, text, ink in places:
        pen.text((left, picture.height + top + 3 * line - above), text, fill=ink, font=font)
    return made


def _letters(size: tuple[int, int]) -> tuple[Font, int]:
    """Returns the font for a picture of this width and height, and how wide lines are."""
    height = max(LEAST_TEXT, round(min(size) * TEXT_SHARE))
    return ImageFont.load_default(height), max(1, round(height / 7))


def _named(one: Detection) -> str:
    return f"{_short(one.label)} {one.score:.0%}"


def _short(label: str) -> str:
    name = shown(label)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."


def crop(picture: Image.Image, box: Box) -> Image.Image:
    """Returns the part of a picture in a box, at least one pixel wide and high."""
    left = min(max(0, math.floor(box.left)), picture.width - 1)
    top = min(max(0, math.floor(box.top)), picture.height - 1)
    right = min(picture.width, max(left + 1, math.ceil(box.right)))
    bottom = min(picture.height, max(top + 1, math.ceil(box.bottom)))
    return picture.crop((left, top, right, bottom))


def _box(pen: ImageDraw.ImageDraw, size: tuple[int, int], box: Box, ink: Colour, line: int) -> None:
    left, top = max(0, round(box.left)), max(0, round(box.top))
    right = min(size[0] - 1, max(left, round(box.right) - 1))
    bottom = min(size[1] - 1, max(top, round(box.bottom) - 1))
    # A dark line around the bright one, so that a box is seen on any ground.
    pen.rectangle((left, top, right, bottom), outline=(0, 0, 0), width=line + 2)
    inset = 1 if right - left > 2 and bottom - top > 2 else 0
    pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=ink, width=line)


def _widened(box: Box, by: float) -> Box:
    return Box(box.left - by, box.top - by, box.right + by, box.bottom + by)


def _name(pen: ImageDraw.ImageDraw, size: tuple[int, int], mark: Mark, font: Font, line: int) -> None:
    """Writes a name on a plate that lies inside of the picture, cut where the picture is narrower than the name."""
    text, ink = mark.text, mark.ink
    start, above, end, below = pen.textbbox((0, 0), text, font=font)
    while end - start + 2 * line > size[0] and len(text) > 1:
        text = text[:-1]
        start, above, end, below = pen.textbbox((0, 0), text, font=font)
    wide, high = end - start + 2 * line, below - above + 2 * line
    left = min(max(0, round(mark.box.left)), max(0, size[0] - round(wide)))
    lowest = max(0, size[1] - round(high))
    if mark.around:
        top = round(mark.box.bottom)
        top = top if top <= lowest else min(max(0, round(mark.box.bottom - high)), lowest)
    else:
        top = round(mark.box.top - high)
        top = top if top >= 0 else min(max(0, round(mark.box.top)), lowest)
    pen.rectangle((left, top, left + wide - 1, top + high - 1), fill=ink)
    bright = 0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2] > 128
    pen.text((left + line - start, top + line - above), text, fill=(0, 0, 0) if bright else (255, 255, 255), font=font)
