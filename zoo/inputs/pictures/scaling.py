"""Scales pictures with averaging, to the same values on every version of Pillow.

A picture is scaled along one axis after the other, and each pass rounds to whole numbers, so their order shows. Pillow
13 changes the height first where a picture loses far more rows than columns, older versions never do: the same tall
photo would differ by 1 of 255 between two machines. Here the width always comes first.
"""

from __future__ import annotations

from PIL import Image

from zoo.inputs.pictures.fit import Box

BILINEAR = Image.Resampling.BILINEAR


def scaled(
    image: Image.Image, size: tuple[int, int], seen: Box | None = None, how: Image.Resampling = BILINEAR
) -> Image.Image:
    """Returns part of a picture, scaled to the new width first, and then to the new height.

    Args:
        image: the picture.
        size: width and height of the result in pixels.
        seen: the part in pixels of the picture; by default all of it.
        how: Pillow's filter.
    """
    wide = size[0]
    left, top, right, bottom = seen or Box(0, 0, *image.size)
    if (left, right, wide) != (0, image.width, image.width):
        image = image.resize((wide, image.height), how, box=(left, 0, right, image.height))
    return image.resize(size, how, box=(0, top, wide, bottom))
