"""Makes unusual pictures and files that only look like pictures; each kind is a function that makes one in a folder."""

from __future__ import annotations

import functools
import io
import os
import stat
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Maker = Callable[[Path], Path]
FORMATS = {"JPEG": "jpg", "PNG": "png", "WebP": "webp", "GIF": "gif", "TIFF": "tif", "BMP": "bmp"}
"""The formats and their suffixes."""


def picture(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """Makes a picture that is not empty."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).integers(0, 60, (height, width))
    channels = [x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), noise]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).convert(mode)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    """Returns the bytes of a picture's file."""
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """Makes a PNG file of a few bytes that claims 60,000 x 60,000 pixels."""
    data = encoded("PNG")
    head = data[12:16] + struct.pack(">II", 60_000, 60_000) + data[24:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


def _half(kind: str) -> bytes:
    data = encoded(kind)
    return data[: len(data) // 2]


def _animated(kind: str) -> bytes:
    first, *more = (picture().rotate(angle) for angle in (0, 90, 180))
    return encoded(kind, first, save_all=True, append_images=more)


def _overwritten(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", exif=exif)


def _wrong_checksum() -> bytes:
    return _overwritten(encoded("PNG"), encoded("PNG").index(b"IDAT") + 20, bytes(8))


def _damaged_exif() -> bytes:
    return _overwritten(_exif(6), _exif(6).index(b"Exif") + 10, b"\xff" * 20)


CONTENTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    # Each kind of file: (its suffix, its content).
    "sound JPEG": ("jpg", lambda: encoded("JPEG")),
    "JPEG, the first 20 bytes": ("jpg", lambda: encoded("JPEG")[:20]),
    **{f"{kind} without its second half": (end, functools.partial(_half, kind)) for kind, end in FORMATS.items()},
    "PNG with damaged pixels": ("png", _wrong_checksum),
    "empty file": ("jpg", lambda: b""),
    "text": ("jpg", lambda: b"<html>404 Not Found</html>\n"),
    "zeros": ("jpg", lambda: bytes(100_000)),
    "PNG that claims 3,600 megapixels": ("png", bomb),
    "100 megapixels": ("png", lambda: encoded("PNG", Image.new("1", (10_000, 10_000)))),
    "1 x 1": ("png", lambda: encoded("PNG", picture(1, 1))),
    "1 x 20,000": ("png", lambda: encoded("PNG", picture(1, 20_000))),
    "CMYK JPEG": ("jpg", lambda: encoded("JPEG", picture(mode="CMYK"))),
    "16-bit gray PNG": (
        "png",
        lambda: encoded("PNG", Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80))),
    ),
    "32-bit float TIFF": ("tif", lambda: encoded("TIFF", picture(mode="F"))),
    "palette PNG, transparent": ("png", lambda: encoded("PNG", picture(mode="P"), transparency=3)),
    "PNG with alpha": ("png", lambda: encoded("PNG", picture(mode="RGBA"))),
    "1-bit PNG": ("png", lambda: encoded("PNG", picture(mode="1"))),
    "EXIF: turned": ("jpg", lambda: _exif(6)),
    "EXIF: orientation 99": ("jpg", lambda: _exif(99)),
    "EXIF: damaged": ("jpg", _damaged_exif),
    **{f"animated {kind}": (FORMATS[kind], functools.partial(_animated, kind)) for kind in ("GIF", "WebP", "PNG")},
}


def _made(put: Callable[[Path], object], name: str | bytes = "odd.jpg") -> Maker:
    def make(folder: Path) -> Path:
        path = folder / os.fsdecode(name)
        put(path)
        return path

    return make


def _written(content: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content())


_sound = _written(lambda: encoded("JPEG"))


def _forbidden(path: Path) -> None:
    _sound(path)
    path.chmod(0)


def _forbidden_folder(path: Path) -> None:
    path.parent.mkdir()
    _sound(path)
    path.parent.chmod(0)


CLOSED = "in a folder without permission"
"""The kind that is a folder which may not be opened."""
KINDS: dict[str, Maker] = {
    **{kind: _made(_written(content), f"odd.{suffix}") for kind, (suffix, content) in CONTENTS.items()},
    "folder named .jpg": _made(Path.mkdir),
    "named pipe": _made(os.mkfifo),
    "socket": _made(lambda path: os.mknod(path, stat.S_IFSOCK | 0o600)),
    "link to a device": _made(lambda path: path.symlink_to("/dev/zero")),
    "link to nothing": _made(lambda path: path.symlink_to("nothing.jpg")),
    "link to itself": _made(lambda path: path.symlink_to("odd.jpg")),
    "no permission": _made(_forbidden),
    CLOSED: _made(_forbidden_folder, "closed/odd.jpg"),
    "name that is not UTF-8": _made(_sound, b"odd\xff\xfe.jpg"),
    "name with a line break": _made(_sound, "odd\nzoo: error: forged.jpg"),
    "name with [brackets] and *": _made(_sound, "[red]odd* [0-9].jpg"),
    "name of 255 bytes": _made(_sound, "o" * 251 + ".jpg"),
}
