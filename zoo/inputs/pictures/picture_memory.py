"""Estimates, before a picture is decoded, the largest amount of memory that decoding and resizing it take.

    pixels * (decoder + stored + max(stored, worked)) + 8 MB + memory for rows and scaling

`stored` is what Pillow holds for each pixel (1, 2 or 4 bytes), `worked` is the size of a pixel after conversion (1 for
gray, 4 for colour), and `decoder` is what the decoder needs in addition. `tests/inputs/pictures/test_picture_memory.py`
measures each format.
"""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

from zoo.inputs.pictures.budget import Budget

BYTES_EACH = 8
"""Bytes that all threads share for each pixel of the largest allowed picture: enough for a PNG."""
TILE = 1 << 18
"""Number of pixels that are converted to gray or colour at a time."""
SPARE = 8 << 20
"""Bytes for one such tile, and for the decoders' tables."""
GRAY = {"1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
"""Pillow's modes with one channel and no palette."""
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_WEBP = 12  # two canvases, and the frame as bytes
_AVIF = 16  # planes of 16 bits with alpha, and the frame as bytes
_TIFF = 8  # a strip may be the whole picture, and hold 16 bits for each of four channels
_JPEG2000 = 6  # for each channel: its values as integers of 32 bits, and the code they come from
_READ_WHOLE = {"WEBP", "AVIF", "HEIF"}
_JPEG_SCANS = 2  # for each channel: its coefficients, where they come in several scans


def budget(max_pixels: int) -> Budget:
    """Returns the memory budget of all decoding threads, for pictures of at most `max_pixels`."""
    return Budget(BYTES_EACH * max_pixels)


def stored_bytes(mode: str) -> int:
    """Returns the bytes that Pillow holds for a pixel of a mode."""
    return _STORED.get(mode, 4)


def working_mode(image: Image.Image, channels: int) -> str:
    """Returns the mode in which a picture is resized: gray if the model or the picture has no colour."""
    gray = channels == 1 or (image.mode in GRAY and not image.has_transparency_data)
    return "L" if gray else "RGB"


def needed(
    image: Image.Image, full: tuple[int, int], size: tuple[int, int], channels: int, file_bytes: int, most: int
) -> int:
    """Returns the most bytes that decoding and resizing a picture add to the memory of the process.

    Args:
        image: an open picture, with the size and mode in which it will be decoded.
        full: width and height in the file.
        size: width and height of the result.
        channels: the number of channels of the model's input.
        file_bytes: the size of the file; some decoders hold it several times.
        most: the most bytes that rows and scaling may take.

    Raises:
        ValueError: rows and scaling take more, because the picture is extremely narrow.
    """
    across, down = image.size
    stored = stored_bytes(image.mode)
    worked = 1 if working_mode(image, channels) == "L" else 4
    lines = 32 * (max(full) + max(size) + across + down)
    # Pillow resizes along one axis first; the EXIF orientation decides which one that is in the file.
    between = worked * max(size[0] * down, size[0] * across)
    if between + lines > most:
        raise ValueError(f"{across}x{down} pixels are too long a line to be scaled to {size[0]}x{size[1]}")
    decoder = _decoder_bytes(image, full[0] * full[1])
    copies = 3 * file_bytes if image.format in _READ_WHOLE else 0
    return across * down * (stored + max(stored, worked)) + decoder + between + lines + copies + SPARE


def _decoder_bytes(image: Any, pixels: int) -> int:
    """Returns the bytes that the decoder needs besides the picture."""
    kind, bands = image.format, len(image.getbands())
    if kind in {"JPEG", "MPO"}:
        return _JPEG_SCANS * bands * pixels if _has_several_scans(image, bands) else 0
    if kind == "TIFF":
        tile = [image.tag_v2.get(tag, 0) for tag in (322, 323)]
        return _TIFF * max(pixels, math.prod(n for n in tile if isinstance(n, int)))
    if kind == "JPEG2000":
        return _JPEG2000 * bands * pixels
    if kind == "PNG" and getattr(image, "is_animated", False):
        return 4 * pixels
    if kind == "BMP" and image.tile and image.tile[0][0] == "bmp_rle":
        return 2 * pixels
    return {"WEBP": _WEBP, "AVIF": _AVIF, "HEIF": _AVIF, "GIF": 1}.get(kind, 0) * pixels


def _has_several_scans(image: Any, bands: int) -> bool:
    """Returns whether a JPEG decoder must hold the coefficients until the last scan, by libjpeg's rule.

    The file's position is behind the header of the first scan, which contains its number of channels.
    """
    if "progressive" in image.info or image.fp is None:
        return True
    length = 6 + 2 * bands
    behind = image.fp.tell()
    if behind < length:
        return True
    image.fp.seek(behind - length)
    head = image.fp.read(length)
    return bool(head[:3] != bytes([0, length, bands]))
