"""Reads and checks the labels and the card in the archive at the end of a `.tflite` file."""

from __future__ import annotations

import contextlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from zoo.errors import ModelFileError, first_line
from zoo.files.reading import CP1252, decoded_as
from zoo.inputs.preprocessing import RESIZES, Preprocessing
from zoo.tflite import labels
from zoo.tflite.archive import parse, require_small_directory
from zoo.tflite.flatbuffer import shortened

LABELS = "labels.txt"
CARD = "card.json"
FLATBUFFER = "flatbuffer"
"""Field of the card with size and checksums of the model part."""
CHECKSUM = "checksum"
"""Field of the card with the checksum that `seal` computes of everything else."""
MAX_PART_BYTES = 16 * 1024 * 1024
"""Largest size of a label list in bytes; it protects against zip bombs."""
MAX_CARD_BYTES = 4 * 1024 * 1024
"""Largest size of a card in bytes; as Python objects it takes about thirty times as much."""
MAX_LABELS = 1_000_000
MAX_LABEL_LENGTH = 10_000
"""The most characters of a label."""

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # those of Python's splitlines


class Description(NamedTuple):
    """Labels and card of a file; empty if the file has none."""

    labels: tuple[str, ...]
    card: dict[str, Any]
    notes: tuple[str, ...] = ()
    """What the user should know of labels that cannot be used as they are, a line each."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The resize policy with which the model was trained or exported."""
        policy = self.card.get("preprocessing")
        resize = policy.get("resize") if isinstance(policy, dict) else None
        return Preprocessing(resize) if resize in RESIZES else Preprocessing()


def checksum(path: Path) -> str:
    """Checks a file against the checksums in its card: that of the model part, and that of labels and card.

    The checksums detect accidents and no attacks: whoever changes a file on purpose can compute them again.

    Returns:
        `right`: model part, labels and card are unchanged since they were written together. `wrong`: they are not, or
        something was added. `none`: the card holds no checksum of labels and card.

    Raises:
        ModelFileError: the file or its archive cannot be read.
    """
    with _archive(path) as archive:
        parts = [entry.filename for entry in archive.infolist()] if archive else []
        stated = _card(archive) if archive and CARD in parts else {}
        model = model_part(path, thorough=True)
        if model == "wrong":
            return "wrong"
        if not archive or CHECKSUM not in stated:
            return "none"
        if model == "none" or sorted(parts) != sorted((LABELS, CARD)) or archive.comment:
            return "wrong"
        return "right" if stated[CHECKSUM] == seal(stated, _read(archive, LABELS, MAX_PART_BYTES)) else "wrong"


def seal(card: dict[str, Any], label_text: str) -> str:
    """Returns the checksum of a card, without its own checksum field, and of the text of the labels.

    It is the SHA-256, in hexadecimal, of the JSON object `{"card": ..., "labels": ...}` with sorted keys, no spaces and
    an escape for each character that is not ASCII. The card holds size and SHA-256 of the model part, so that it covers
    the whole file.
    """
    import hashlib  # imported here, because it loads OpenSSL, which `zoo run` does not need

    # The card is hashed as it will be read: JSON turns tuples into lists, for example.
    read = json.loads(json.dumps({"card": card, "labels": label_text}))
    read["card"].pop(CHECKSUM, None)
    return hashlib.sha256(json.dumps(read, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def model_part(path: Path, *, thorough: bool = False) -> str:
    """Checks the model part, which stands before the archive, against the card.

    Args:
        path: the file.
        thorough: whether to compare the SHA-256 instead of the CRC-32. It detects more, but takes several times as
            long: too long for every start of `zoo run`.

    Returns:
        `right`, `wrong` (also for a checksum of only a part of the model), or `none` if the card holds no checksum.

    Raises:
        ModelFileError: the file or its archive cannot be read.
    """
    with _archive(path) as archive:
        stated = _card(archive).get(FLATBUFFER) if archive and CARD in archive.namelist() else None
        if not archive or stated is None:
            return "none"
        size = min(entry.header_offset for entry in archive.infolist())
    if not isinstance(stated, dict) or not size or stated.get("bytes") != size:
        return "wrong"
    try:
        with path.open("rb") as content:
            if thorough or "crc32" not in stated:  # the first files had the SHA-256 alone
                import hashlib

                digest = hashlib.sha256()
                for block in _blocks(content, size):
                    digest.update(block)
                return "right" if stated.get("sha256") == digest.hexdigest() else "wrong"
            crc = 0
            for block in _blocks(content, size):
                crc = zlib.crc32(block, crc)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    return "right" if stated.get("crc32") == crc else "wrong"


def _blocks(content: IO[bytes], size: int) -> Iterator[bytes]:
    while block := content.read(min(size, 1 << 18)):
        yield block
        size -= len(block)


def describe(path: str | Path) -> Description:
    """Reads the labels and the card of a file.

    In files of other tools, the labels are the `.txt` part of the metadata's archive that is called like labels, or the
    only one there; they are read as `zoo.tflite.labels` does it, in any usual encoding. A file without an archive gives
    an empty description.

    Raises:
        ModelFileError: the archive is damaged or holds parts of unreasonable size.
    """
    with _archive(Path(path)) as archive:
        if archive is None:
            return Description((), {})
        names = archive.namelist()
        own = CARD in names
        found, notes = _found_labels(archive, _labels_name(names), own=own)
        return Description(tuple(found), _card(archive) if own else {}, tuple(notes))


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile | None]:
    """Opens the archive at a file's end; yields None if there is none, and turns every fault into one kind of error."""
    if not path.is_file():
        yield None
        return
    try:
        require_small_directory(path)  # first: whether zipfile knows an archive of 64-bit sizes depends on its version
        if not zipfile.is_zipfile(path):
            yield None
            return
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"the labels and card embedded in {path} are damaged: {first_line(error)}") from error


def _card(archive: zipfile.ZipFile) -> dict[str, Any]:
    card = parse(_read(archive, CARD, MAX_CARD_BYTES))
    return card if isinstance(card, dict) else {}


def _labels_name(names: list[str]) -> str | None:
    """Returns the name of the part with the labels; several texts without such a name are none."""
    if LABELS in names:
        return LABELS
    texts = [name for name in names if name.lower().endswith(".txt")]
    named = [name for name in texts if re.search("label|class|categor|synset", name.lower())]
    return next(iter(named or (texts if len(texts) == 1 and "vocab" not in texts[0].lower() else [])), None)


def _found_labels(archive: zipfile.ZipFile, name: str | None, *, own: bool) -> tuple[list[str], list[str]]:
    """Returns the labels of a part, and what is to be said of them; in files of this package they stand as they are."""
    if name is None:
        return [], []
    content = _read_bytes(archive, name, MAX_PART_BYTES)
    if own:
        return label_lines(content.decode("utf-8")), []
    try:
        text, encoding = decoded_as(content)
    except ValueError as error:
        return [], [f"its labels ({shortened(name)}) cannot be read: {error}; give --labels FILE"]
    label_lines(text)
    notes = [f"its labels ({shortened(name)}) are not UTF-8, and read as {encoding}"] if encoding == CP1252 else []
    return labels.parse(text), notes


def label_lines(text: str) -> list[str]:
    """Returns the lines of a list of labels.

    Raises:
        ValueError: there are unreasonably many, or one is unreasonably long.
    """
    # The lines are counted first, because sixteen million empty labels would take 260 MB.
    if sum(map(text.count, _LINE_ENDS)) > MAX_LABELS:
        raise ValueError(f"it has more than {MAX_LABELS:,} labels")
    found = text.splitlines()
    longest = max(found, key=len, default="")
    if len(longest) > MAX_LABEL_LENGTH:
        raise ValueError(f"a label has {len(longest)} characters, the limit is {MAX_LABEL_LENGTH}")
    return found


def _read(archive: zipfile.ZipFile, name: str, most: int) -> str:
    return _read_bytes(archive, name, most).decode("utf-8")


def _read_bytes(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    called = shortened(name).strip("'\"")
    if archive.namelist().count(name) > 1:
        raise ValueError(f"there are several parts called {called}")
    part = archive.getinfo(name)
    if part.file_size > most:
        raise ValueError(f"{called} claims {part.file_size} bytes, the limit is {most}")
    # Other compression methods allocate as much memory as a part claims to need, which can be gigabytes.
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{called} is compressed by method {part.compress_type}, which is not read here")
    with archive.open(part) as content:
        return content.read(most)
