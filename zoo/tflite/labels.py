"""Label lists as other tools write them: a class name a line, maybe numbered, with a byte order mark or blank lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from zoo import bounds
from zoo.errors import InputError
from zoo.files.reading import read_list
from zoo.text import count_of, plural

BACKGROUND = frozenset({"background", "_background_", "__background__", "???", "dummy"})
"""What the first of 1001 classes is called, in lower case."""

_NUMBERED = r"(\d{1,7})(?:\s*[:,;\t]\s*|\s+)(\S.*)"
"""A line that begins with a number: `0 cat`, `1: dog`, `2,"bird"`."""


def parse(text: str) -> list[str]:
    """Returns the labels of a text: without a byte order mark, blank ends, and empty lines at the end.

    Where each of two lines or more begins with its own number, counted from 0 or from 1, the numbers are taken off,
    as in the files of Teachable Machine and Coral.
    """
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = [re.fullmatch(_NUMBERED, line) for line in lines]
    if len(lines) > 1 and all(numbered):
        numbers = [int(match[1]) for match in numbered if match]
        if numbers in (list(range(len(lines))), list(range(1, len(lines) + 1))):
            return [match[2].strip('"') for match in numbered if match]
    return lines


def read(path: Path) -> list[str]:
    """Reads a file of labels that the user names.

    Raises:
        InputError: it cannot be read, is no text, or holds no name.
    """
    found = parse(read_list(path, "label file"))
    if not found:
        raise InputError(f"label file {path} is empty; give one with the name of a class in each line")
    return found


def named(labels: str | Path | Sequence[str]) -> list[str]:
    """Returns the names of classes that an option gives: a list of names, or the path of a file of labels.

    Raises:
        InputError: the file cannot be read, or the list holds something else than texts.
    """
    return read(Path(labels)) if isinstance(labels, str | Path) else list(bounds.names("labels", labels))


def fault(classes: int, labels: Sequence[str]) -> str:
    """Returns why labels do not fit a number of classes, as the rest of a sentence; nothing if they fit."""
    if len(labels) == classes:
        return ""
    found = (
        f"{count_of(classes, 'class')} but there {plural(len(labels), 'is', 'are')} {count_of(len(labels), 'label')}"
    )
    if len(labels) == classes - 1 and not {label.lower() for label in labels[:1]} & BACKGROUND:
        return (
            f"{found}: models of ImageNet often have a first class 'background'; if this one does, put a line "
            "background before the first label"
        )
    if len(labels) == classes + 1 and labels[0].lower() in BACKGROUND:
        return f"{found}: the first label, {labels[0]!r}, is that of a class that this model does not have; take it out"
    return found
