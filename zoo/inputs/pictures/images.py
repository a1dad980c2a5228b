"""Converts any picture file to the pixels that a model takes."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from zoo.errors import InputError, first_line
from zoo.files.reading import is_endless
from zoo.inputs.pictures import depth, picture_memory
from zoo.inputs.pictures.budget import Budget
from zoo.inputs.pictures.fit import Box, Fit, fit
from zoo.inputs.pictures.formats import opened_picture
from zoo.inputs.pictures.scaling import scaled
from zoo.inputs.preprocessing import Preprocessing, Resize

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

QUARTER_TURNS = {5, 6, 7, 8}
"""EXIF orientations that swap width and height."""

SPARE = 1.5
"""A JPEG is decoded to at least this many times the needed width and height.

`tests/inputs/pictures/test_images.py` limits the effect on the result."""

BUDGET = picture_memory.budget(2 * (Image.MAX_IMAGE_PIXELS or 1 << 27))
"""Memory that all decoding threads of a process share. It fits the largest picture that Pillow accepts."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns a picture upright, by EXIF orientation."""


def orientation_of(image: Image.Image) -> int:
    """Returns EXIF's orientation of an open picture, 1 to 8; 1 where it states none that there is."""
    found = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in _TURNS else 1


def load_image(
    source: str | Path | BinaryIO | Image.Image,
    width: int,
    height: int,
    channels: int = 3,
    preprocessing: Preprocessing | None = None,
    *,
    formats: Sequence[str] | None = None,
) -> Pixels:
    """Reads a picture as a model sees it, and returns only the pixels of `read_picture`.

    Returns:
        `(height, width, channels)`, uint8, 0..255.

    Raises:
        InputError: the file is missing, no picture, truncated, or too large.
    """
    return read_picture(source, width, height, channels, preprocessing, formats=formats)[0]


def read_picture(
    source: str | Path | BinaryIO | Image.Image,
    width: int,
    height: int,
    channels: int = 3,
    preprocessing: Preprocessing | None = None,
    *,
    formats: Sequence[str] | None = None,
) -> tuple[Pixels, Fit]:
    """Reads a picture as a model sees it, and returns which part of the picture that is.

    EXIF orientation is applied, transparency is composited on white, and an animation gives its first frame. Threads
    that decode at the same time share `BUDGET`; a thread waits if too little of it is left.

    Args:
        source: the path of a file in one of the formats of `zoo.inputs.pictures.formats.PLUGINS`, an open file, or a
        picture
            that Pillow has opened.
        width: the width of the result in pixels.
        height: the height of the result in pixels.
        channels: 3 for RGB, 1 for gray.
        preprocessing: the resize policy; `Preprocessing()` by default.
        formats: the allowed formats, by Pillow's names; by default all of `PLUGINS`.

    Returns:
        The pixels `(height, width, channels)`, uint8, 0..255, and their place in the upright picture.

    Raises:
        InputError: the file is missing, no picture, in a format that is not supported, truncated, or too large.
    """
    policy = preprocessing or Preprocessing()
    if isinstance(source, Image.Image):
        return to_pixels(source, width, height, channels, policy)
    with opened(source, formats) as image:
        return to_pixels(image, width, height, channels, policy, owned=True)


def upright(source: str | Path | BinaryIO | Image.Image) -> Image.Image:
    """Reads a whole picture in its own size, turned upright, as RGB, with transparency on white.

    Raises:
        InputError: as in `load_image`.
    """
    if isinstance(source, Image.Image):
        return _upright(source)
    with opened(source) as image:
        return _upright(image)


def _upright(image: Image.Image) -> Image.Image:
    with BUDGET.hold(picture_memory.needed(image, image.size, image.size, 3, _file_bytes(image), BUDGET.total)):
        image.load()
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        turned = image.copy() if turn is None else image.transpose(turn)
        return _in_mode(turned, "RGB")


@contextlib.contextmanager
def opened(source: str | Path | BinaryIO, formats: Sequence[str] | None = None) -> Iterator[Image.Image]:
    """Opens a picture during the block; any fault of the picture, also one found in the block, becomes an `InputError`.

    Args:
        source: the path of a file, or an open file.
        formats: as in `load_image`.

    Raises:
        InputError: as in `load_image`.
    """
    name = str(source if isinstance(source, str | Path) else getattr(source, "name", "the picture"))
    try:
        if isinstance(source, str | Path) and is_endless(source):
            raise InputError(f"{name} is no file but a named pipe or a device; for standard input give -")
        with opened_picture(source, name, formats) as image:
            yield image
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a picture that Pillow can open") from error
    except depth.UnfitError as error:
        raise InputError(f"{name} cannot be used: {error}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} is too large to decode safely: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or first_line(error)}") from error
    except MemoryError as error:
        reason = f": {error}" if str(error) else ""
        raise InputError(f"{name} does not fit into the memory{reason}") from error
    except (SyntaxError, ValueError, EOFError, RuntimeError) as error:  # Pillow's decoders raise these on damaged files
        raise InputError(f"{name} is damaged: {first_line(error)}") from error


def to_pixels(
    image: Image.Image,
    width: int,
    height: int,
    channels: int,
    preprocessing: Preprocessing,
    *,
    budget: Budget | None = None,
    owned: bool = False,
) -> tuple[Pixels, Fit]:
    """Decodes an open picture and resizes it, as soon as enough of the memory budget is free.

    Args:
        image: a picture that Pillow has opened.
        width: the width of the result in pixels.
        height: the height of the result in pixels.
        channels: 3 for RGB, 1 for gray.
        preprocessing: the resize policy.
        budget: the memory budget that threads share; `BUDGET` by default.
        owned: whether the picture may be closed as soon as it is no longer needed.

    Returns:
        The pixels `(height, width, channels)`, uint8, 0..255, and their place in the upright picture.

    Raises:
        MemoryError: the picture needs more memory than the machine has.
        OSError, SyntaxError, ValueError, EOFError, RuntimeError: the picture is damaged, or too narrow to be scaled.
    """
    full = image.size
    # A JPEG is decoded at the smallest scale of 1/8, 1/4 or 1/2 that leaves enough pixels for averaging.
    drafted = image.draft("L" if channels == 1 else "RGB", (math.ceil(SPARE * width), math.ceil(SPARE * height)))
    budget = budget or BUDGET
    needed = picture_memory.needed(image, full, (width, height), channels, _file_bytes(image), budget.total)
    with budget.hold(needed):
        cut = depth.is_cut(image)
        # Pillow copies the picture in each of these steps, even where there is nothing to do.
        image.load()
        if cut:
            depth.require_visible(image)
        # If the scale does not divide a side, part of the last pixel is outside of the picture: 427 rows become 213.5
        # of 214.
        extent = drafted[1][2:] if drafted else image.size
        mode = picture_memory.working_mode(image, channels)
        orientation = orientation_of(image)
        turn = _TURNS.get(orientation)
        if turn is not None:
            image, owned = _then_close(image.transpose(turn), image, owned)
            extent = image.size
        if image.mode != mode or image.has_transparency_data:
            image, owned = _then_close(_in_mode(image, mode), image, owned)
        scaled = _to_size(image, extent, (width, height), preprocessing.resize)
        pixels = np.asarray(scaled, dtype=np.uint8).reshape(height, width, -1)
    how = fit(full[::-1] if orientation in QUARTER_TURNS else full, (width, height), preprocessing.resize)
    return pixels if pixels.shape[2] == channels else pixels.repeat(channels, axis=2), how


def _then_close(made: Image.Image, image: Image.Image, owned: bool) -> tuple[Image.Image, bool]:
    """Returns the new picture, which we own, and closes the old one if we own it, to free its memory."""
    if owned:
        image.close()
    return made, True


def _file_bytes(image: Image.Image) -> int:
    """Returns the size of an open picture's file in bytes; 0 if it has no file."""
    file = getattr(image, "fp", None)
    if file is None:
        return 0
    try:
        return os.fstat(file.fileno()).st_size
    except (AttributeError, io.UnsupportedOperation):
        return len(file.getbuffer()) if isinstance(file, io.BytesIO) else 0


def _to_size(image: Image.Image, extent: tuple[float, float], size: tuple[int, int], resize: Resize) -> Image.Image:
    """Resizes the picture in the upper left `extent` (width, height) of an image, with averaging."""
    how = fit(extent, size, resize)
    if how.placed == Box(0, 0, *size):
        return scaled(image, size, how.seen)
    left, top, right, bottom = map(int, how.placed)
    padded = Image.new(image.mode, size)
    padded.paste(scaled(image, (right - left, bottom - top), how.seen), (left, top))
    return padded


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converts a picture to gray or colour, with transparency composited on white; tile by tile, to save memory."""
    across, down = image.size
    # The whole picture says how bright its values are, a tile does not.
    times = depth.factor(image) if depth.is_deep_gray(image.mode) else 1.0
    if across * down <= picture_memory.TILE:
        return _flatten(image, mode, times)
    made = Image.new(mode, image.size)
    wide = min(across, picture_memory.TILE)
    high = picture_memory.TILE // wide
    for top in range(0, down, high):
        for left in range(0, across, wide):
            box = (left, top, min(across, left + wide), min(down, top + high))
            made.paste(_flatten(image.crop(box), mode, times), box)
    return made


def _flatten(image: Image.Image, mode: str, times: float) -> Image.Image:
    """Composites transparency on white, and converts gray of more than 8 bits, multiplied by `times`, to 8 bits."""
    if depth.is_deep_gray(image.mode):
        image = depth.to_gray(image, times)
    elif image.mode == "LAB":
        raise depth.UnfitError("its colours are in the space L*a*b*, which is not read here; save it as RGB")
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == mode else image.convert(mode)
