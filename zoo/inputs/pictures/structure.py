"""Counts the parts of a picture file before it is decoded.

Decoders go over the whole picture for each scan of a JPEG, and keep each remark, profile and comment. So a small file
can make them work for an hour, or take hundreds of megabytes before its size in pixels is known. Real files have few
parts; one with more than the limits below is not decoded.
"""

from __future__ import annotations

import os
import re
from typing import BinaryIO

SCANS = 100
"""Most scans of a JPEG; encoders make about ten."""
PARTS = 1000
"""Most remarks, profiles and the like, JPEG's segments and PNG's chunks; a JPEG's colour profile has up to 255."""
PACKED_TEXTS = 16
"""Most compressed texts of a PNG; each takes up to 4 MB when it is unpacked."""
BLOCKS = 20_000
"""Most blocks of a GIF's comments and other extensions, of up to 255 bytes each."""
PIECE = 1 << 20
"""Number of bytes that are looked through at a time."""

_SCAN = b"\xff\xda"
_BARE = {0xD8, *range(0xD0, 0xD8), 0x01}
"""JPEG's markers without a segment behind them."""
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""Matches a marker that ends a scan's data; the data themselves never look like it."""
_PIXELS = {b"IDAT", b"fdAT", b"fcTL"}
"""PNG's chunks of pixels, of which there may be any number."""


def check_structure(file: BinaryIO, kind: str) -> None:
    """Finds out whether a picture file has too many parts to be decoded; leaves the file's position anywhere.

    Args:
        file: opened, of which any position can be sought.
        kind: one of `zoo.inputs.pictures.formats.PLUGINS`; of most there is nothing to be found out.

    Raises:
        ValueError: it has too many of something; the message says of what.
    """
    file.seek(0)
    if kind in {"JPEG", "MPO"}:
        _check_segments(file)
        _check_scans(file)
    elif kind == "PNG":
        _check_chunks(file)
    elif kind == "GIF":
        _check_blocks(file)


def _too_many(what: str, limit: int) -> ValueError:
    return ValueError(f"it has more than {limit:,} {what}, which is the limit")


def _check_segments(file: BinaryIO) -> None:
    """Goes from marker to marker up to the first scan, as decoders do."""
    for _ in range(PARTS):
        code = _next_marker(file)
        if code in {None, _SCAN[1]}:
            return
        if code not in _BARE:
            file.seek(max(0, int.from_bytes(file.read(2), "big") - 2), os.SEEK_CUR)
    raise _too_many("segments before the picture", PARTS)


def _next_marker(file: BinaryIO) -> int | None:
    """The code of the next marker, whatever stands before it; None at the file's end."""
    while byte := file.read(1):
        if byte != b"\xff":
            continue
        while (byte := file.read(1)) == b"\xff":
            pass
        if not byte:
            return None
        if byte[0]:
            return byte[0]
    return None


def _check_scans(file: BinaryIO) -> None:
    # Counting the two bytes is quick, and says enough of nearly all files; they may stand in what is no scan, too.
    file.seek(0)
    found, last = 0, b""
    while piece := file.read(PIECE):
        found += (last + piece).count(_SCAN)
        last = piece[-1:]
    if found > SCANS:
        file.seek(0)
        if _scans(file.read()) > SCANS:
            raise _too_many("scans", SCANS)


def _scans(data: bytes) -> int:
    """The scans of a JPEG up to its end mark, behind which some cameras put a film."""
    found, at = 0, 2
    while (marker := _MARKER.search(data, at)) is not None:
        code, at = marker[0][1], marker.end()
        if code == 0xD9:
            break
        found += code == _SCAN[1]
        if code not in _BARE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return found


def _check_chunks(file: BinaryIO) -> None:
    file.seek(8)
    others = packed = 0
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name == b"IEND":
            return
        if name not in _PIXELS:
            others += 1
        packed += name in {b"zTXt", b"iTXt"}
        if others > PARTS:
            raise _too_many("chunks beside the picture", PARTS)
        if packed > PACKED_TEXTS:
            raise _too_many("compressed texts", PACKED_TEXTS)
        file.seek(length + 4, os.SEEK_CUR)


def _check_blocks(file: BinaryIO) -> None:
    """Goes through what stands before a GIF's first picture."""
    head = file.read(13).ljust(13, b"\0")
    if head[10] & 0x80:
        file.seek(3 << ((head[10] & 7) + 1), os.SEEK_CUR)
    left = BLOCKS
    while (mark := file.read(1)) not in {b"", b",", b";"}:
        left -= 1
        if mark == b"!":
            file.seek(1, os.SEEK_CUR)
            while left > 0 and (size := file.read(1)) not in {b"", b"\0"}:
                file.seek(size[0], os.SEEK_CUR)
                left -= 1
        if left <= 0:
            raise _too_many("blocks before the picture", BLOCKS)
