"""What a `.tflite` file says of itself: the labels and the card in the archive at its end."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ModelFileError, first_line
from zoo.inputs.preprocessing import RESIZES, Preprocessing
from zoo.tflite.archive import parse, require_small_directory
from zoo.tflite.flatbuffer import shortened

LABELS = "labels.txt"
CARD = "card.json"
MAX_PART_BYTES = 16 * 1024 * 1024
"""No label list is larger; a zip bomb is."""
MAX_CARD_BYTES = 4 * 1024 * 1024
"""No card is larger; as Python objects it takes some thirty times as much."""
MAX_LABELS = 1_000_000
MAX_LABEL_LENGTH = 10_000
"""Characters."""

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # as Python's splitlines has them


@dataclass(frozen=True)
class Description:
    """Labels and card of a file; empty where it carries none."""

    labels: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def preprocessing(self) -> Preprocessing:
        """The resize policy the model was trained or exported with."""
        policy = self.card.get("preprocessing")
        resize = policy.get("resize") if isinstance(policy, dict) else None
        return Preprocessing(resize) if resize in RESIZES else Preprocessing()


def checksum(path: Path) -> str:
    """Holds the model part of a file against the CRC-32 in its card.

    The card's SHA-256 says more, and takes several times as long: too long for every start of `zoo run`.

    Returns:
        `right`, `wrong`, or `none` where it carries none: this package did not make it.
    """
    claimed = describe(path).card.get("flatbuffer")
    if not isinstance(claimed, dict) or not isinstance(claimed.get("bytes"), int):
        return "none"
    left, crc = claimed["bytes"], 0
    try:
        with path.open("rb") as content:
            while left > 0 and (block := content.read(min(left, 1 << 18))):
                crc = zlib.crc32(block, crc)
                left -= len(block)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    return "right" if left == 0 and crc == claimed.get("crc32") else "wrong"


def describe(path: str | Path) -> Description:
    """Reads labels and card.

    Any TFLite file with embedded metadata has its first `.txt` part taken for the labels; one without gives
    an empty description.

    Raises:
        ModelFileError: the archive is damaged or holds parts of unreasonable size.
    """
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return Description()
    try:
        require_small_directory(path)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            texts = [name for name in names if name.endswith(".txt")]
            labels_name = LABELS if LABELS in names else next(iter(texts), None)
            labels = _labels(_read(archive, labels_name, MAX_PART_BYTES)) if labels_name else []
            card = parse(_read(archive, CARD, MAX_CARD_BYTES)) if CARD in names else {}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"the labels and card embedded in {path} are damaged: {first_line(error)}") from error
    return Description(tuple(labels), card if isinstance(card, dict) else {})


def _labels(text: str) -> list[str]:
    # Counted first: sixteen million empty labels would take 260 MB.
    if sum(map(text.count, _LINE_ENDS)) > MAX_LABELS:
        raise ValueError(f"it has more than {MAX_LABELS:,} labels")
    labels = text.splitlines()
    longest = max(map(len, labels), default=0)
    if longest > MAX_LABEL_LENGTH:
        raise ValueError(f"a label has {longest} characters, the limit is {MAX_LABEL_LENGTH}")
    return labels


def _read(archive: zipfile.ZipFile, name: str, most: int) -> str:
    called = shortened(name).strip("'\"")
    if archive.namelist().count(name) > 1:
        raise ValueError(f"there are several parts called {called}")
    part = archive.getinfo(name)
    if part.file_size > most:
        raise ValueError(f"{called} claims {part.file_size} bytes, the limit is {most}")
    # The other methods of zip files allocate what a part says they need: gigabytes.
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{called} is compressed by method {part.compress_type}, which is not read here")
    with archive.open(part) as content:
        return content.read(most).decode("utf-8")
