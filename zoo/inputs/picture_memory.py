"""How much memory it takes at most to bring a picture to a model's size, told before it is decoded.

    pixels * (decoder + stored + max(stored, worked)) + 8 MB and what lines and scaling take

`stored` is what Pillow holds for each pixel (1, 2 or 4 bytes), `worked` what it is brought to (1 for gray, 4 for
colour), and `decoder` what its decoder takes besides. `tests/inputs/test_picture_memory.py` measures each kind.
"""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

from zoo.inputs.budget import Budget

BYTES_EACH = 8
"""Bytes that all threads share for each pixel of the largest allowed picture: enough for a PNG."""
TILE = 1 << 18
"""Pixels that are brought to gray or colour at a time."""
SPARE = 8 << 20
"""Bytes for that, and for the decoders' tables."""
GRAY = {"1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
"""Pillow's modes of one channel without a palette."""
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_WEBP = 12  # two canvases, and the frame as bytes
_AVIF = 16  # planes of 16 bits with alpha, and the frame as bytes
_TIFF = 8  # a strip may be the whole picture, and hold 16 bits for each of four channels
_JPEG2000 = 6  # for each channel: its values as integers of 32 bits, and the code they come from
_READ_WHOLE = {"WEBP", "AVIF", "HEIF"}
_JPEG_SCANS = 2  # for each channel: its coefficients, where they come in several scans


def budget(max_pixels: int) -> Budget:
    """What decoding threads share where pictures of so many pixels are allowed."""
    return Budget(BYTES_EACH * max_pixels)


def stored_bytes(mode: str) -> int:
    """What Pillow holds for a pixel of a mode."""
    return _STORED.get(mode, 4)


def working_mode(image: Image.Image, channels: int) -> str:
    """The mode a picture is scaled in: gray where the model or the picture has no colour."""
    gray = channels == 1 or (image.mode in GRAY and not image.has_transparency_data)
    return "L" if gray else "RGB"


def needed(
    image: Image.Image, full: tuple[int, int], size: tuple[int, int], channels: int, file_bytes: int, most: int
) -> int:
    """Bytes that it takes at most to decode a picture and bring it to size, over what the process holds already.

    Args:
        image: opened, its size and mode those that it will be decoded in.
        full: width and height as they stand in the file.
        size: width and height that it is brought to.
        channels: of the model.
        file_bytes: of the file; some decoders hold it several times.
        most: bytes that lines and scaling may take.

    Raises:
        ValueError: these take more: the picture is a line.
    """
    across, down = image.size
    stored = stored_bytes(image.mode)
    worked = 1 if working_mode(image, channels) == "L" else 4
    lines = 32 * (max(full) + max(size) + across + down)
    # Pictures are scaled along one axis first; turned by its EXIF orientation, it may be the other one.
    between = worked * max(size[0] * down, size[0] * across)
    if between + lines > most:
        raise ValueError(f"{across}x{down} pixels are too long a line to be scaled to {size[0]}x{size[1]}")
    decoder = _decoder_bytes(image, full[0] * full[1])
    copies = 3 * file_bytes if image.format in _READ_WHOLE else 0
    return across * down * (stored + max(stored, worked)) + decoder + between + lines + copies + SPARE


def _decoder_bytes(image: Any, pixels: int) -> int:
    """What the decoder takes besides the picture."""
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
    """Whether a JPEG's coefficients have to be held until the last scan: libjpeg's own rule.

    The file stands behind the head of the first scan, which says how many channels are in it.
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
