"""Makes unusual pictures and files that only look like pictures; each kind is a function that makes one in a folder."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Maker = Callable[[Path], Path]


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
    """Makes a PNG file of a few hundred bytes that claims 60,000 x 60,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 50_000))
        + chunk(b"IEND", b"")
    )


def _frames() -> list[Image.Image]:
    return [picture().rotate(angle) for angle in (0, 90, 180)]


def _wrong_checksum() -> bytes:
    data = bytearray(encoded("PNG"))
    at = data.index(b"IDAT") + 20
    data[at : at + 8] = bytes(8)
    return bytes(data)


def _exif(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return encoded("JPEG", exif=exif)


def _damaged_exif() -> bytes:
    data = bytearray(_exif(6))
    at = data.index(b"Exif") + 6
    data[at + 4 : at + 24] = b"\xff" * 20
    return bytes(data)


CONTENTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    # Each kind of file: (its suffix, its content).
    "sound JPEG": ("jpg", lambda: encoded("JPEG")),
    "JPEG without its second half": ("jpg", lambda: encoded("JPEG")[: len(encoded("JPEG")) // 2]),
    "JPEG, the first 20 bytes": ("jpg", lambda: encoded("JPEG")[:20]),
    "PNG without its second half": ("png", lambda: encoded("PNG")[: len(encoded("PNG")) // 2]),
    "PNG with damaged pixels": ("png", _wrong_checksum),
    "WebP without its second half": ("webp", lambda: encoded("WEBP")[: len(encoded("WEBP")) // 2]),
    "GIF without its second half": ("gif", lambda: encoded("GIF")[: len(encoded("GIF")) // 2]),
    "TIFF without its second half": ("tif", lambda: encoded("TIFF")[: len(encoded("TIFF")) // 2]),
    "BMP without its second half": ("bmp", lambda: encoded("BMP")[: len(encoded("BMP")) // 2]),
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
    "animated GIF": ("gif", lambda: encoded("GIF", _frames()[0], save_all=True, append_images=_frames()[1:])),
    "animated WebP": ("webp", lambda: encoded("WEBP", _frames()[0], save_all=True, append_images=_frames()[1:])),
    "animated PNG": ("png", lambda: encoded("PNG", _frames()[0], save_all=True, append_images=_frames()[1:])),
}


def _file(suffix: str, content: Callable[[], bytes]) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / f"odd.{suffix}"
        path.write_bytes(content())
        return path

    return make


def _named(name: str | bytes) -> Maker:
    def make(folder: Path) -> Path:
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name))))  # noqa: PTH118  # bytes
        path.write_bytes(encoded("JPEG"))
        return path

    return make


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "odd.jpg")
    return folder / "odd.jpg"


def _socket(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("odd.jpg")
    os.chdir(here)
    return folder / "odd.jpg"


def _link(target: str) -> Maker:
    def make(folder: Path) -> Path:
        (folder / "odd.jpg").symlink_to(target)
        return folder / "odd.jpg"

    return make


def _folder(folder: Path) -> Path:
    (folder / "odd.jpg").mkdir()
    return folder / "odd.jpg"


def _forbidden(folder: Path) -> Path:
    path = _file("jpg", lambda: encoded("JPEG"))(folder)
    path.chmod(0)
    return path


def _forbidden_folder(folder: Path) -> Path:
    (folder / "closed").mkdir()
    path = _file("jpg", lambda: encoded("JPEG"))(folder / "closed")
    (folder / "closed").chmod(0)
    return path


CLOSED = "in a folder without permission"
"""The kind that is a folder which may not be opened."""

KINDS: dict[str, Maker] = {
    **{kind: _file(*what) for kind, what in CONTENTS.items()},
    "folder named .jpg": _folder,
    "named pipe": _fifo,
    "socket": _socket,
    "link to a device": _link("/dev/zero"),
    "link to nothing": _link("nothing.jpg"),
    "link to itself": _link("odd.jpg"),
    "no permission": _forbidden,
    CLOSED: _forbidden_folder,
    "name that is not UTF-8": _named(b"odd\xff\xfe.jpg"),
    "name with a line break": _named("odd\nzoo: error: forged.jpg"),
    "name with [brackets] and *": _named("[red]odd* [0-9].jpg"),
    "name of 255 bytes": _named("o" * 251 + ".jpg"),
}
