"""The labels and the card of an `.onnx` file, as texts in its `metadata_props`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ModelFileError, first_line
from zoo.text import to_json
from zoo.tflite.archive import parse
from zoo.tflite.card import CHECKSUM, MAX_CARD_BYTES, MAX_PART_BYTES, Description, label_lines, seal

PREFIX = "edgezoo."
"""What the keys of all our properties begin with."""
CARD = "edgezoo.card"
"""The property with the card, a JSON object like that of a `.tflite` file."""
LABELS = "edgezoo.labels"
"""The property with the labels, one on each line."""
BLOBS = "edgezoo.metadata."
"""What the properties with metadata in formats of their own begin with, such as the anchors of a detector; Base64."""

NAMES = "names"
"""The property in which Ultralytics' exporter writes the labels: `{0: 'cat', 1: 'dog'}`, as Python prints it."""
_NAME = r"""(\d{1,6}): (?:'([^'\\]*)'|"([^"\\]*)")"""
_NAMED = re.compile(rf"\{{{_NAME}(?:, {_NAME})*\}}")


def props_of(
    card: Mapping[str, Any], labels: Sequence[str], metadata: Mapping[str, bytes] | None = None
) -> dict[str, str]:
    """Returns the properties that describe a file, by their keys.

    Args:
        card: the card; its checksum is computed here.
        labels: the names of the classes.
        metadata: further metadata by name, such as `zoo.tflite.detectors.NAME`, as a `.tflite` file has them.
    """
    text = "\n".join(labels) + "\n"
    sealed = {**card, CHECKSUM: seal(dict(card), text)}
    blobs = {BLOBS + name: base64.b64encode(blob).decode("ascii") for name, blob in (metadata or {}).items()}
    return {CARD: to_json(sealed, ascii_only=True), LABELS: text, **blobs}


def read_props(props: Mapping[str, str], path: str | Path) -> Description:
    """Returns the labels and the card in the properties of a file; without a card of ours, the labels under `NAMES`.

    Args:
        props: `metadata_props` of the file, or `custom_metadata_map` of ONNX Runtime.
        path: the file, for errors.

    Raises:
        ModelFileError: they are damaged, or of unreasonable size.
    """
    if CARD not in props:
        return Description(_names(props.get(NAMES, "")), {})
    try:
        card = parse(_bounded(props, CARD, MAX_CARD_BYTES))
        labels = label_lines(_bounded(props, LABELS, MAX_PART_BYTES)) if LABELS in props else []
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"the labels and card embedded in {path} are damaged: {first_line(error)}") from error
    return Description(tuple(labels), card if isinstance(card, dict) else {})


def read_metadata(props: Mapping[str, str], path: str | Path) -> dict[str, bytes]:
    """Returns the further metadata in the properties of a file by name, see `props_of`.

    Raises:
        ModelFileError: they are damaged, or of unreasonable size.
    """
    found = {}
    for key in props:
        if key.startswith(BLOBS):
            try:
                found[key.removeprefix(BLOBS)] = base64.b64decode(_bounded(props, key, MAX_PART_BYTES), validate=True)
            except (binascii.Error, ValueError) as error:
                raise ModelFileError(f"{path} has damaged metadata: {first_line(error)}") from error
    return found


def is_sealed(props: Mapping[str, str], path: str | Path) -> str:
    """Returns whether labels and card are as written together: `right`, `wrong`, or `none` without a checksum.

    Raises:
        ModelFileError: see `read_props`.
    """
    card = read_props(props, path).card
    if CHECKSUM not in card:
        return "none"
    return "right" if card[CHECKSUM] == seal(card, props.get(LABELS, "")) else "wrong"


def _names(text: str) -> tuple[str, ...]:
    """Returns the labels in a text like that of `NAMES`, if they are numbered from 0 without a gap; else none."""
    if len(text) > MAX_CARD_BYTES or not _NAMED.fullmatch(text):
        return ()
    found = re.findall(_NAME, text)
    numbers = [int(number) for number, _, _ in found]
    return tuple(first or second for _, first, second in found) if numbers == list(range(len(numbers))) else ()


def _bounded(props: Mapping[str, str], key: str, most: int) -> str:
    text = props[key]
    if len(text) > most:
        raise ValueError(f"{key} has {len(text)} characters, the limit is {most}")
    return text
