"""The picture formats that are read, and how a file's format is recognized.

Pillow reads many more formats. Some of them start another program (PostScript starts Ghostscript), some open further
files, and each one adds a decoder that a hostile file can attack. So a file's format is recognized by its first bytes,
whatever its name is, and only the decoder of that format is used.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from PIL import Image, UnidentifiedImageError

from zoo.errors import InputError
from zoo.inputs.find import LOADED_BY_SUFFIX
from zoo.inputs.pictures.structure import check_structure

PLUGINS = {
    "JPEG": "PIL.JpegImagePlugin",
    "MPO": "PIL.MpoImagePlugin",
    "PNG": "PIL.PngImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "PPM": "PIL.PpmImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "JPEG2000": "PIL.Jpeg2KImagePlugin",
    "ICO": "PIL.IcoImagePlugin",
    "HEIF": "pillow_heif",
}
"""The formats that are read, by Pillow's names, and their decoders' modules. None starts a program or opens a file."""

HEAD_BYTES = 64
"""Number of bytes at a file's start that show its format."""
MAX_FILE_BYTES = 1 << 29
"""Largest size of a picture file in bytes: three for each of as many pixels as Pillow takes. Bombs are larger."""
MAX_ICON_SIDE = 1024
"""Largest side of an icon in pixels. An icon lists sizes of at most 256, but Pillow's decoder decodes any size."""

_STARTS = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"II+\0", b"MM\0+"),
    "JPEG2000": (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
    "ICO": (b"\0\0\1\0",),
    "PPM": tuple(b"P" + bytes([letter]) for letter in b"0123456fy"),
}
_OTHERS = {
    "a PostScript": (b"%!PS", b"\xc5\xd0\xd3\xc6"),
    "a PDF": (b"%PDF",),
    "a Photoshop": (b"8BPS",),
    "a GIMP": (b"gimp xcf",),
    "a JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "an OpenEXR": (b"\x76\x2f\x31\x01",),
    "a Radiance HDR": (b"#?RADIANCE", b"#?RGBE"),
    "a FITS": (b"SIMPLE  =",),
    "a DDS": (b"DDS ",),
    "an Apple icon": (b"icns",),
    "a QOI": (b"qoif",),
    "a Windows metafile": (b"\xd7\xcd\xc6\x9a", b"\x01\0\0\0"),
    "an SVG": (b"<svg", b"<?xml"),
    "an HTML": (b"<!DOCTYPE html", b"<!doctype html", b"<html"),
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIF", b"heix": "HEIF", b"hevc": "HEIF", b"heim": "HEIF"}


_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 262, 330, 50706
"""Tags of TIFF files."""
_COLOUR_FILTER = 32803
"""The photometric interpretation of what a camera's sensor measures."""


class OtherFormatError(InputError):
    """The file has a format that is not supported, or whose decoder is not installed."""


def kind_of(head: bytes) -> str | None:
    """Returns the format of a picture file, a key of `PLUGINS`; None for any other file.

    Args:
        head: the first `HEAD_BYTES` of the file.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, len(head) - 3, 4))]
        known = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
        # Some phones name the container alone.
        return known or ("HEIF" if {b"mif1", b"msf1"} & set(brands) else None)
    return next((name for name, starts in _STARTS.items() if head.startswith(starts)), None)


@functools.cache
def is_installed(kind: str) -> bool:
    """Returns whether the decoder of a format is installed; loads this decoder and no other."""
    try:
        plugin = importlib.import_module(PLUGINS[kind])
    except ImportError:
        return False
    if kind == "HEIF":
        plugin.register_heif_opener(thumbnails=False)
    return kind in Image.OPEN


@contextlib.contextmanager
def opened_picture(
    source: str | Path | BinaryIO, name: str, formats: Sequence[str] | None = None
) -> Iterator[Image.Image]:
    """Opens a picture with the decoder of its format during the block, without decoding it.

    Args:
        source: the path of a file, or an open file, which stays open.
        name: the file's name for error messages.
        formats: the allowed formats, keys of `PLUGINS`; by default all.

    Raises:
        OtherFormatError: the format is not supported; the message names it and says what to do.
        UnidentifiedImageError, OSError, ValueError: the file is damaged, or no picture.
    """
    with _own(source) as file:
        require_size(file.seek(0, os.SEEK_END))
        file.seek(0)
        head = file.read(HEAD_BYTES)
        kind = _require(kind_of(head), head, name, PLUGINS if formats is None else formats)
        if kind == "ICO":
            _check_icon(file, head)
        check_structure(file, kind)
        file.seek(0)
        # For a name with a usual suffix, Pillow loads only the decoder of that suffix; else it loads five.
        usual = not isinstance(file, io.BytesIO) and Path(str(source)).suffix.lower() in LOADED_BY_SUFFIX
        try:
            image = Image.open(str(source) if usual else file, formats=(kind,))
        except UnidentifiedImageError:
            if kind != "TIFF":
                raise
            raise OtherFormatError(
                f"{name} is a TIFF file that is damaged or of a kind that Pillow does not read, such as one of several "
                "channels; save it as RGB or gray of 8 bits"
            ) from None
        with contextlib.closing(image):
            if kind == "TIFF":
                _require_no_raw(image, name)
            yield image


def require_size(size: int) -> None:
    """Refuses a file that is too large to be a picture, before it is read.

    Raises:
        ValueError: it has more than `MAX_FILE_BYTES`.
    """
    if size > MAX_FILE_BYTES:
        raise ValueError(f"it has {size} bytes or more; pictures of up to {MAX_FILE_BYTES} bytes are read")


def _own(source: str | Path | BinaryIO) -> BinaryIO:
    """Returns a new file object at the file's start, which may be closed; a pipe is read into memory first."""
    if isinstance(source, io.BytesIO):
        return io.BytesIO(source.getvalue())  # the same bytes, not copied
    try:
        file = open(source if isinstance(source, str | Path) else os.dup(source.fileno()), "rb")  # noqa: PTH123, SIM115
    except (AttributeError, io.UnsupportedOperation):  # it has no file descriptor
        return io.BytesIO(cast("BinaryIO", source).read(MAX_FILE_BYTES + 1))
    try:
        file.seek(0)
    except io.UnsupportedOperation:
        with file:
            return io.BytesIO(file.read(MAX_FILE_BYTES + 1))
    return file


def _require(kind: str | None, head: bytes, name: str, formats: Iterable[str]) -> str:
    if kind is None:
        other = next((what for what, starts in _OTHERS.items() if head.startswith(starts)), None)
        if head[4:8] == b"ftyp":
            raise OtherFormatError(f"{name} is a film, or another file in a film's container; save its frames as JPEG")
        if other is None:
            raise UnidentifiedImageError(name)
        raise OtherFormatError(f"{name} is {other} file, which is not read here; save it as PNG or JPEG")
    if kind not in formats:
        raise OtherFormatError(f"{name} is a {kind} file; of these kinds one can be read here: {', '.join(formats)}")
    if not is_installed(kind):
        how = "pip install pillow-heif, or save it" if kind == "HEIF" else "save it"
        raise OtherFormatError(f"{name} is a {kind} file, for which no decoder is installed; {how} as PNG or JPEG")
    return kind


def _require_no_raw(image: Any, name: str) -> None:
    """Refuses the raw files of cameras, which look like TIFF files of a small preview."""
    tags = image.tag_v2
    preview = tags.get(_SUBFILE_TYPE, 0) == 1 and _SUB_IFDS in tags
    if _DNG_VERSION in tags or preview or tags.get(_PHOTOMETRIC) == _COLOUR_FILTER:
        raise OtherFormatError(
            f"{name} is a camera's raw file, of which only a preview could be read; export it as JPEG"
        )


def _check_icon(file: BinaryIO, head: bytes) -> None:
    """Checks the sizes of an icon's pictures, because its decoder decodes them without a size check."""
    (count,) = struct.unpack_from("<H", head.ljust(6, b"\0"), 4)
    file.seek(6)
    entries = file.read(16 * count)
    for at in range(0, len(entries) - 15, 16):
        (offset,) = struct.unpack_from("<I", entries, at + 12)
        file.seek(offset)
        part = file.read(24).ljust(24, b"\0")
        png = part.startswith(_STARTS["PNG"])
        width, height = struct.unpack_from(">II", part, 16) if png else struct.unpack_from("<ii", part, 4)
        # A bitmap in an icon has its mask below the picture, which doubles the number of rows.
        if not (0 < width <= MAX_ICON_SIDE and 0 < abs(height) <= MAX_ICON_SIDE * (1 if png else 2)):
            raise ValueError(f"an icon of {width}x{height} pixels, {MAX_ICON_SIDE} a side are the limit")
