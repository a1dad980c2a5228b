"""Finds what a file or folder reveals about its maker: paths, names, hashes, times, versions, hosts, places.

Nothing of the file is run.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from zoo.errors import InputError, ModelFileError
from zoo.files.reading import is_endless
from zoo.onnx.card import CARD, LABELS, read_props
from zoo.onnx.kinds import is_onnx
from zoo.onnx.reading import outline
from zoo.privacy.exif import in_picture
from zoo.privacy.telling import Telling, in_bytes, in_text, in_values
from zoo.system.archives import RefusedArchiveError, open_archive
from zoo.tflite import modelfile
from zoo.tflite.card import MAX_CARD_BYTES, MAX_PART_BYTES, describe

MOST = 1000
"""Largest number of findings in the list; more would not help."""
CHUNK, OVERLAP = 1 << 24, 1024
"""Bytes of a large file that are searched at a time, and bytes at the end of a part that are searched again."""
TEXTS = {".json", ".toml", ".txt", ".md", ".csv", ".svg", ".xml", ".py", ".yaml", ".html"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp"}
_EVENTS = re.compile(r"events\.out\.tfevents\.(\d+)\.(.+?)(?:\.\d+\.\d+)?(?:\.v2)?\Z")


def private(path: str | Path) -> list[Telling]:
    """Lists what a file, or all files of a folder, reveal about the people and programs that made them.

    Args:
        path: a `.tflite`, `.onnx`, `.keras`, `.h5` or `.npz` file, a picture, a text, or any other file, which is
            searched as bytes; or the folder of a run or SavedModel. Links to folders are not followed.

    Returns:
        Each finding once, at most `MOST`; empty if nothing is revealed.

    Raises:
        InputError: the file or folder cannot be read.
        ModelFileError: the labels and the card of a `.tflite` or `.onnx` file are damaged.
    """
    path = Path(path)
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    found: dict[Telling, None] = {}
    for file in files:
        where = file.relative_to(path).as_posix() if path.is_dir() else file.name
        try:
            if is_endless(file):
                raise InputError(f"{file} is no file but a named pipe or a device")
            for telling in _of_file(file, where):
                found.setdefault(telling)
                if len(found) == MOST:
                    return list(found)
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    return list(found)


def _of_file(path: Path, where: str) -> Iterator[Telling]:
    yield from _of_name(path.name, where)
    suffix = path.suffix.lower()
    if suffix == ".tflite":
        yield from _of_tflite(path, where)
    elif is_onnx(path):
        yield from _of_onnx(path, where)
    elif suffix in {".keras", ".npz"} and zipfile.is_zipfile(path):
        yield from _of_archive(path, where)
    elif suffix in PICTURES:
        yield from in_picture(path, where)
    elif suffix in TEXTS:
        with path.open("rb") as file:
            yield from _of_text(where, file.read(MAX_PART_BYTES), suffix)
            yield from _of_stream(file, where)  # where there is more
    else:
        yield from _of_bytes(path, where)


def _of_name(name: str, where: str) -> Iterator[Telling]:
    """Finds the time and the host that TensorFlow writes into the names of its event files."""
    found = _EVENTS.match(name)
    if found and found[2] != "edgezoo":
        yield Telling("host", where, found[2])
        yield Telling("time", where, _date(float(found[1])))


def _of_text(where: str, content: bytes, suffix: str) -> Iterator[Telling]:
    text = content.decode("utf-8", errors="replace")
    if suffix == ".json" and len(content) <= MAX_CARD_BYTES:
        try:
            yield from in_values(where, json.loads(text))
            return
        except (ValueError, RecursionError):  # searched as text, then
            pass
    yield from in_text(where, text)


def _of_tflite(path: Path, where: str) -> Iterator[Telling]:
    described = describe(path)
    yield from in_values(f"{where}: card.json", described.card)
    yield from in_text(f"{where}: labels.txt", "\n".join(described.labels))
    try:
        metadata = modelfile.read(path).metadata
    except ModelFileError:  # the bytes are searched all the same
        metadata = {}
    for name, content in metadata.items():
        yield from in_bytes(f"{where}: metadata {name}", content, versions=name == "CONVERSION_METADATA")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from _of_dates(archive, where)
    yield from _of_bytes(path, where)


def _of_onnx(path: Path, where: str) -> Iterator[Telling]:
    props = outline.read_props(path)
    described = read_props(props, path)
    yield from in_values(f"{where}: card", described.card)
    yield from in_text(f"{where}: labels", "\n".join(described.labels))
    for key, text in props.items():
        if key not in {CARD, LABELS}:
            yield from in_text(f"{where}: {key}", text)
    yield from _of_bytes(path, where)


def _of_archive(path: Path, where: str) -> Iterator[Telling]:
    try:
        # No part is left out, whatever it is called; what they unpack to together is bounded.
        with path.open("rb") as file, open_archive(file, lambda _: sys.maxsize) as archive:
            yield from _of_dates(archive, where)
            for entry in archive.infolist():
                suffix = Path(entry.filename).suffix.lower()
                with archive.open(entry) as part:
                    if suffix in TEXTS:
                        yield from _of_text(f"{where}: {entry.filename}", part.read(MAX_PART_BYTES), suffix)
                    yield from _of_stream(part, f"{where}: {entry.filename}")
    except RefusedArchiveError as error:
        raise InputError(f"{path} is refused: {error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is a damaged archive: {error}") from error


def _of_dates(archive: zipfile.ZipFile, where: str) -> Iterator[Telling]:
    """Finds when an archive's parts were written; reproducible archives have the earliest possible date instead."""
    for entry in archive.infolist():
        if entry.date_time[0] > 1980:
            year, month, day, hour, minute, _ = entry.date_time
            yield Telling("time", f"{where}: {entry.filename}", f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}")


def _of_bytes(path: Path, where: str) -> Iterator[Telling]:
    with path.open("rb") as file:
        if _EVENTS.match(path.name):
            yield from _of_events(file.read(32), where)
            file.seek(0)
        yield from _of_stream(file, where, versions=path.suffix == ".pb")


def _of_stream(stream: IO[bytes], where: str, *, versions: bool = False) -> Iterator[Telling]:
    end = b""
    while block := stream.read(CHUNK):
        yield from in_bytes(where, end + block, versions=versions)
        end = block[-OVERLAP:]


def _of_events(start: bytes, where: str) -> Iterator[Telling]:
    """Finds when an event file was begun: its first record begins with the time, behind a length and a checksum."""
    if len(start) > 21 and start[12] == 0x09:
        (seconds,) = struct.unpack("<d", start[13:21])
        yield Telling("time", where, _date(seconds))


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)
