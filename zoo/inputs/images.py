"""Any picture file -> the pixels that a model takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from zoo.errors import InputError
from zoo.files import is_endless
from zoo.inputs.preprocessing import Preprocessing, Resize

Pixels = npt.NDArray[np.uint8]

BILINEAR = Image.Resampling.BILINEAR

SPARE = 1.5
"""How many times the pixels needed, in each direction, a JPEG is decoded to at least.

`tests/inputs/test_images.py` holds what that does to the result."""


def load_image(
    source: str | Path | BinaryIO | Image.Image,
    width: int,
    height: int,
    channels: int = 3,
    preprocessing: Preprocessing | None = None,
    *,
    formats: Sequence[str] | None = None,
) -> Pixels:
    """Reads a picture as a model sees it.

    EXIF orientation is honoured, alpha is composited on white, an animation gives its first frame.

    Args:
        source: a file that Pillow opens, by name or opened, or a picture that Pillow has opened.
        width: of the result.
        height: of the result.
        channels: 3 for RGB, 1 for gray.
        preprocessing: how the picture comes to that size; `Preprocessing()` by default.
        formats: the kinds of file that may be read, by Pillow's names; by default all.

    Returns:
        `(height, width, channels)`, uint8, 0..255.

    Raises:
        InputError: the file is missing, no picture, truncated, or too large to be one.
    """
    if isinstance(source, Image.Image):
        return _to_pixels(source, width, height, channels, preprocessing or Preprocessing())
    name = source if isinstance(source, str | Path) else getattr(source, "name", "the picture")
    try:
        if isinstance(source, str | Path) and is_endless(source):
            raise InputError(f"{name} is no file but a named pipe or a device; for standard input give -")
        with Image.open(source, formats=None if formats is None else tuple(formats)) as image:
            return _to_pixels(image, width, height, channels, preprocessing or Preprocessing())
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a picture that Pillow can open") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large to decode safely: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    except MemoryError as error:
        raise InputError(f"{name} does not fit into the memory") from error
    except (SyntaxError, ValueError, EOFError, RuntimeError) as error:  # what Pillow's decoders raise on damaged files
        raise InputError(f"{name} is damaged: {error}") from error


def _to_pixels(image: Image.Image, width: int, height: int, channels: int, preprocessing: Preprocessing) -> Pixels:
    mode = "L" if channels == 1 else "RGB"
    # Decodes a JPEG at the smallest scale of 1/8, 1/4 or 1/2 that leaves enough pixels to average over.
    drafted = image.draft(mode, (math.ceil(SPARE * width), math.ceil(SPARE * height)))
    # Pillow copies the picture in each of these steps, even where there is nothing to do.
    image.load()
    # A scale that does not divide the sides leaves part of the last pixels without picture: 427 rows are 213.5 of 214.
    extent = drafted[1][2:] if drafted else image.size
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
        extent = image.size
    image = _flatten(image)
    if image.mode != mode:
        image = image.convert(mode)
    pixels = np.asarray(_to_size(image, extent, (width, height), preprocessing.resize), dtype=np.uint8)
    return pixels.reshape(height, width, channels)


def _to_size(image: Image.Image, extent: tuple[float, float], size: tuple[int, int], resize: Resize) -> Image.Image:
    """Scales the picture in the upper left `extent` (width, height) of an image, averaging over what is left out."""
    across, down = extent
    ratio = size[0] / size[1]
    if resize == "crop":
        # The largest middle part of the right shape.
        wide, high = min(across, down * ratio), min(down, across / ratio)
        left, top = (across - wide) / 2, (down - high) / 2
        return image.resize(size, BILINEAR, box=(left, top, left + wide, top + high))
    if resize == "stretch":
        return image.resize(size, BILINEAR, box=(0, 0, across, down))
    inner = (
        max(1, round(min(size[0], size[1] * across / down))),
        max(1, round(min(size[1], size[0] * down / across))),
    )
    padded = Image.new(image.mode, size)
    padded.paste(
        image.resize(inner, BILINEAR, box=(0, 0, across, down)),
        (round((size[0] - inner[0]) / 2), round((size[1] - inner[1]) / 2)),
    )
    return padded


def _flatten(image: Image.Image) -> Image.Image:
    """Composites transparency on white and brings 16-bit gray to 8 bits."""
    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:
        values: npt.NDArray[Any] = np.asarray(image, dtype=np.float64)
        return Image.fromarray((values / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba)
    return image
