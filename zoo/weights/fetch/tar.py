"""Takes files out of compressed tar archives from untrusted sources, which are looked through part by part."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from zoo.system.archives import MAX_EXPANSION, SLACK, ArchiveError, RefusedArchiveError

MAX_PARTS = 1000
"""Most parts of an archive."""
MAX_TEXT = 1 << 16
"""Most bytes that an archive may say about a part, such as a long name."""


def take(path: Path, most: Mapping[str, int], prefix: Path) -> dict[str, int]:
    """Takes single files out of an archive, and writes them under names of our own.

    Args:
        path: the archive, `.tar.gz`.
        most: the files that are wanted, by the ends of their names without the dot before, such as `index`; each with
            the most bytes that it may have.
        prefix: the path of the written files without those ends.

    Returns:
        The bytes of each file that was found, by the end of its name. All parts of the archive together have at most
        `MAX_EXPANSION` times its bytes, plus `SLACK`.

    Raises:
        RefusedArchiveError: the archive has links, devices or sparse files, too many parts, two files that are wanted
            with one end, or more bytes than allowed.
        ArchiveError: the file is damaged or no such archive.
        OSError: a file cannot be read or written.
    """
    found: dict[str, int] = {}
    try:
        with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            limited = _Limited(unpacked, SLACK + MAX_EXPANSION * path.stat().st_size)
            with tarfile.open(fileobj=cast("IO[bytes]", limited), mode="r|", tarinfo=_Part) as archive:
                for number, part in enumerate(archive):
                    if number >= MAX_PARTS:
                        raise RefusedArchiveError(f"it has more than {MAX_PARTS} parts")
                    end = _end(part, most)
                    if not end:
                        continue
                    if end in found:
                        raise RefusedArchiveError(f"it has two parts that end in .{end}")
                    with _opened(archive, part) as source, prefix.with_name(f"{prefix.name}.{end}").open("wb") as file:
                        shutil.copyfileobj(source, file)
                    found[end] = part.size
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(f"it is no .tar.gz archive, or damaged ({error})") from error
    return found


def _end(part: tarfile.TarInfo, most: Mapping[str, int]) -> str:
    """Returns what the name of a file ends in, if it is wanted; empty if not.

    Raises:
        RefusedArchiveError: the part is neither a file nor a folder, or too large.
    """
    if part.isdir():
        return ""
    shown = repr(part.name[:80])
    if part.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or part.issparse():
        raise RefusedArchiveError(f"its part {shown} is a link, a device or a sparse file")
    end = next((end for end in most if part.name.endswith(f".{end}")), "")
    if end and part.size > most[end]:
        raise RefusedArchiveError(f"its part {shown} has {part.size} bytes; at most {most[end]} are read")
    return end


def _opened(archive: tarfile.TarFile, part: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(part)
    assert file is not None  # noqa: S101  # it is a file
    return file


class _Part(tarfile.TarInfo):
    """A part of an archive. What is said about it is read into memory, and so may not be long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Part:
        return super().frombuf(buf, encoding, errors)._checked()

    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str, **how: Any) -> _Part:
        # Pythons with security fixes of 2026 call this one instead, which no other Python has.
        part: _Part = super()._frombuf(buf, encoding, errors, **how)  # type: ignore[misc]
        return part._checked()

    def _checked(self) -> _Part:
        plain = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE}
        if self.type not in plain and self.size > MAX_TEXT:
            raise RefusedArchiveError(f"it says {self.size} bytes about one of its parts")
        return self


class _Limited:
    """A file of which only so many bytes are read."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file, self._left, self._limit = file, limit, limit

    def read(self, size: int) -> bytes:
        """Reads so many bytes, or those that are left.

        Raises:
            RefusedArchiveError: it has more bytes than allowed.
        """
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RefusedArchiveError(f"its parts unpack to more than {self._limit} bytes")
        return data
