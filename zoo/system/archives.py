"""Opens zip archives from untrusted sources: their directory is checked before anything is decompressed."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from typing import BinaryIO

MAX_DIRECTORY = 1 << 20
"""Most bytes of an archive's directory, which is enough for ten thousand members."""
MAX_EXPANSION = 20
"""Largest ratio of the parts' size to their compressed size, beyond `SLACK`; weights hardly shrink."""
SLACK = 1 << 20
"""Bytes that the parts may have in all at any ratio, because a configuration is text and compresses well."""

_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _END_64_BYTES, _LOCATOR_BYTES, _HEADER_BYTES, _COMMENT_BYTES = 22, 56, 20, 30, 1 << 16
_ENCRYPTED = 1


class ArchiveError(ValueError):
    """An archive that is damaged or lacks a part; the message says why in a few words."""


class RefusedArchiveError(ArchiveError):
    """An archive that looks like an attack: it claims more data than it holds, or hides something."""


def open_archive(file: BinaryIO, most: Callable[[str], int | None]) -> zipfile.ZipFile:
    """Opens an archive whose parts are known by name, if its directory passes the checks.

    Args:
        file: the archive, open for reading, with a position that can be set.
        most: a function that returns the most bytes that a part of this name may have once it is decompressed, or None
            for a part that does not belong there.

    Returns:
        The archive; all of its parts together have at most `MAX_EXPANSION` times its bytes, plus `SLACK`.

    Raises:
        RefusedArchiveError: it has a part that does not belong there, two parts of one name, parts that overlap, or a
            part that is encrypted, compressed in an unusual way or larger than its limit.
        ArchiveError: the file is damaged or not a zip archive.
    """
    size = file.seek(0, os.SEEK_END)
    if _directory_bytes(file, size) > MAX_DIRECTORY:
        raise RefusedArchiveError(f"its directory has more than {MAX_DIRECTORY} bytes")
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise ArchiveError(str(error)) from error
    names: set[str] = set()
    end = packed = unpacked = 0
    for part in sorted(archive.infolist(), key=lambda part: part.header_offset):
        shown = repr(part.filename[:80])
        limit = most(part.filename)
        if limit is None:
            raise RefusedArchiveError(f"it has a part {shown}, which does not belong there")
        if part.filename in names:
            raise RefusedArchiveError(f"it has two parts called {shown}")
        names.add(part.filename)
        _check_part(part, limit, shown)
        if part.header_offset < end or part.header_offset + _HEADER_BYTES + part.compress_size > size:
            raise RefusedArchiveError(f"its part {shown} lies where another is, or beyond its end")
        end = part.header_offset + _HEADER_BYTES + part.compress_size
        packed, unpacked = packed + part.compress_size, unpacked + part.file_size
    if unpacked > SLACK + MAX_EXPANSION * packed:
        raise RefusedArchiveError(f"its parts unpack from {packed} bytes to {unpacked}")
    return archive


def _check_part(part: zipfile.ZipInfo, limit: int, shown: str) -> None:
    if part.flag_bits & _ENCRYPTED:
        raise RefusedArchiveError(f"its part {shown} is encrypted")
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise RefusedArchiveError(f"its part {shown} is packed in an unusual way ({part.compress_type})")
    if part.compress_type == zipfile.ZIP_STORED and part.file_size != part.compress_size:
        raise RefusedArchiveError(f"its part {shown} claims {part.file_size} bytes and has {part.compress_size}")
    if part.file_size > limit:
        raise RefusedArchiveError(f"its part {shown} has {part.file_size} bytes; at most {limit} are read")


def _directory_bytes(file: BinaryIO, size: int) -> int:
    """Reads the size of an archive's directory from its last record, because `zipfile` reads the whole directory."""
    start = max(0, size - _END_BYTES - _COMMENT_BYTES - _LOCATOR_BYTES)
    file.seek(start)
    tail = file.read(size - start)
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_BYTES:
        raise ArchiveError("it is no zip archive")
    claimed = int(struct.unpack_from("<L", tail, at + 12)[0])
    locator = at - _LOCATOR_BYTES
    if locator >= 0 and tail[locator : locator + 4] == _LOCATOR_64:
        file.seek(min(size, struct.unpack_from("<Q", tail, locator + 8)[0]))
        # If the locator points to another place, `zipfile` reads the record right before it.
        records = [file.read(_END_64_BYTES), tail[max(0, locator - _END_64_BYTES) : locator]]
        sizes = [
            struct.unpack_from("<Q", record, 40)[0]
            for record in records
            if record.startswith(_END_64) and len(record) == _END_64_BYTES
        ]
        claimed = max([claimed if claimed != 0xFFFFFFFF else 0, *sizes])
    return claimed
