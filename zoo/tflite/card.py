"""What a `.tflite` file says of itself: the labels and the card in the archive at its end."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ModelFileError
from zoo.inputs.preprocessing import RESIZES, Preprocessing

LABELS = "labels.txt"
CARD = "card.json"
MAX_PART_BYTES = 16 * 1024 * 1024
"""No label list or card is larger; a zip bomb is."""


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
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            texts = [name for name in names if name.endswith(".txt")]
            labels_name = LABELS if LABELS in names else next(iter(texts), None)
            labels = _read(archive, labels_name).splitlines() if labels_name else []
            card = json.loads(_read(archive, CARD)) if CARD in names else {}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"the labels and card embedded in {path} are damaged: {error}") from error
    return Description(tuple(labels), card if isinstance(card, dict) else {})


def _read(archive: zipfile.ZipFile, name: str) -> str:
    size = archive.getinfo(name).file_size
    if size > MAX_PART_BYTES:
        raise ValueError(f"{name} claims {size} bytes, the limit is {MAX_PART_BYTES}")
    with archive.open(name) as part:
        return part.read(MAX_PART_BYTES).decode("utf-8")
