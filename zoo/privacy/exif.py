"""Finds what a picture's metadata reveal: place, time, camera, names. No pixel is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import GPSTAGS, IFD, TAGS

from zoo.errors import InputError
from zoo.inputs.pictures.formats import opened_picture
from zoo.privacy.telling import Kind, Telling, in_text

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
MAX_TEXT = 1_000_000
"""Largest number of characters of a comment that are searched."""

_KINDS: dict[str, Kind] = {
    "Make": "device", "Model": "device", "LensModel": "device", "BodySerialNumber": "device",
    "LensSerialNumber": "device", "CameraOwnerName": "name", "Artist": "name", "Copyright": "name",
    "XPAuthor": "name", "HostComputer": "host", "Software": "version", "ProcessingSoftware": "version",
    "DateTime": "time", "DateTimeOriginal": "time", "DateTimeDigitized": "time", "OffsetTime": "time",
    "ImageUniqueID": "hash", "ImageDescription": "name", "UserComment": "name",
}  # fmt: skip


def in_picture(path: Path, where: str) -> Iterator[Telling]:
    """Lists the EXIF tags and the texts of a picture that reveal something.

    Raises:
        InputError: the file is not a picture of `FORMATS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings about damaged EXIF
            with opened_picture(path, str(path), FORMATS) as picture:
                exif, texts = _exif(picture), dict(picture.info)
    except Exception as error:  # Pillow raises errors of many types
        raise InputError(f"{path} is not a picture that Pillow can open") from error
    for name, value in exif.items():
        kind = _KINDS.get(name, "place" if name.startswith("GPS") else None)
        if kind is not None and (text := _plain(value)):
            yield Telling(kind, f"{where}: EXIF {name}", text)
    for key, value in texts.items():
        name = str(key)
        text = _plain(value) if isinstance(value, str | bytes) and name not in {"exif", "icc_profile"} else ""
        if name in {"Software", "software"} and text:
            yield Telling("version", f"{where}: {name}", text)
        elif name in {"Author", "Copyright", "comment", "Comment", "Description", "Title"} and text:
            yield Telling("name", f"{where}: {name}", text)
        else:
            yield from in_text(f"{where}: {name}", text)


def _exif(picture: Image.Image) -> dict[str, Any]:
    """Returns all tags by name; the names of those with the place begin with GPS."""
    exif = picture.getexif()
    found = {TAGS.get(tag, str(tag)): value for tag, value in exif.items()}
    found |= {TAGS.get(tag, str(tag)): value for tag, value in exif.get_ifd(IFD.Exif).items()}
    found |= {GPSTAGS.get(tag, f"GPS {tag}"): value for tag, value in exif.get_ifd(IFD.GPSInfo).items()}
    found.pop("GPSInfo", None)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    return str(value).strip("\0 ")[:MAX_TEXT]
