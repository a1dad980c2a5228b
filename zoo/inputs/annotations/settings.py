"""Reads what is needed of YOLO's `data.yaml`: the names of the classes and the places of the splits.

That is a small part of YAML: scalars, lists and maps of scalars, in a line or in lines of their own. Anchors, tags and
references, with which a small file can fill the memory, are refused; other keys are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import InputError
from zoo.files.reading import decoded, one_line_end, read_bytes
from zoo.inputs.splits import SplitName, split_of

MOST_BYTES = 4 << 20
"""Bytes of a YAML file at most; ten thousand names have a twentieth of it."""

_KEY = re.compile(r"(\"[^\"]*\"|'[^']*'|[\w.-]+)\s*:(?:\s+(.*))?$")
_DOUBLE, _SINGLE = r'"(?:[^"\\]|\\.)*"', r"'(?:[^']|'')*'"
_QUOTED = re.compile(f"{_DOUBLE}|{_SINGLE}")
_IN_LINE = re.compile(
    rf"\s*({_DOUBLE}|{_SINGLE}|[\[\]{{}},]|:(?=[\s\[\]{{}},]|$)|(?:[^\s\[\]{{}},:]|:(?=[^\s\[\]{{}},]))+(?:\s+(?:[^\s\[\]{{}},:]|:(?=[^\s\[\]{{}},]))+)*)"
)
_SPECIAL = "&*!|>%@`"
"""What a scalar begins with that is more than text."""


@dataclass(frozen=True)
class Settings:
    """The part of `data.yaml` that says where the pictures are and what the numbers of the classes mean."""

    names: dict[int, str] = field(default_factory=dict)
    """The name of each class by its number."""
    splits: dict[SplitName, tuple[str, ...]] = field(default_factory=dict)
    """The folders or lists of pictures of each split, as written."""


def read_settings(path: Path) -> Settings:
    """Reads a `data.yaml`.

    Raises:
        InputError: it cannot be read, has more than `MOST_BYTES` bytes, or what it says of names and splits is in a
            part of YAML that is not read here.
    """
    try:
        text = one_line_end(decoded(read_bytes(path, "the settings file", MOST_BYTES)))
        blocks = dict(_blocks(text))
        names = _parsed(blocks["names"]) if "names" in blocks else []
        splits: dict[SplitName, tuple[str, ...]] = {}
        for key, lines in blocks.items():
            split = split_of(key) if key in {"train", "val", "valid", "validation", "test"} else None
            found = _parsed(lines) if split is not None else None
            if split is not None and found:
                splits[split] = tuple(
                    found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
                )
        return Settings(_numbered(names), splits)
    except ValueError as error:
        raise InputError(f"the settings file {path} cannot be read: {error}") from error


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yields each key of the document with its lines; the first is what stands behind the key."""
    key, lines = "", list[str]()
    for raw in text.split("\n"):
        line = _without_comment(raw).rstrip()
        found = _KEY.match(line) if line[:1] not in {" ", "\t", "-"} else None
        if found is None:
            lines.append(line)
            continue
        if key:
            yield key, lines
        key, lines = _scalar(found[1]), [found[2] or ""]
    if key:
        yield key, lines


def _without_comment(line: str) -> str:
    """Returns a line up to the `#` that begins a comment: one at the start or behind a blank, outside of quotes."""
    at, word = 0, True  # whether a quote would begin a scalar here
    while at < len(line):
        char = line[at]
        if char == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
        quoted = _QUOTED.match(line, at) if word and char in "\"'" else None
        if quoted:
            at = quoted.end()
            word = False
            continue
        if not char.isspace():
            word = char in "[{,:-"
        at += 1
    return line


def _parsed(lines: list[str]) -> str | list[str] | dict[str, str]:
    first = lines[0].strip()
    if first[:1] in {"[", "{"}:
        return _in_line(" ".join(lines))
    rest = [line for line in lines[1:] if line.strip()]
    if first:
        if rest and not first.startswith(("'", '"')):
            first = " ".join([first, *(line.strip() for line in rest)])
        return _scalar(first)
    if not rest:
        return []
    if rest[0].lstrip().startswith("-"):
        items = [line.strip() for line in rest]
        if any(not (item == "-" or item.startswith("- ")) for item in items):
            raise ValueError("a list of lists or maps stands where names or folders should be")
        return [_scalar(item[1:].strip()) for item in items]
    found = {}
    for line in rest:
        pair = _KEY.match(line.strip())
        if pair is None or not (pair[2] or "").strip():
            raise ValueError(f"{line.strip()[:80]!r} is no 'key: value'")
        found[_scalar(pair[1])] = _scalar(pair[2].strip())
    return found


def _in_line(text: str) -> list[str] | dict[str, str]:
    """Parses `[a, b]` or `{0: a, 1: b}`."""
    at, tokens = 0, list[str]()
    text = text.strip()
    while at < len(text):
        found = _IN_LINE.match(text, at)
        if found is None:
            raise ValueError(f"{text[at : at + 80]!r} is no list or map of names")
        tokens.append(found[1])
        at = found.end()
    ends = {"[": "]", "{": "}"}[tokens[0]]
    if len(tokens) < 2 or tokens[-1] != ends or set(tokens[1:-1]) & set("[]{}"):
        raise ValueError(f"{text[:80]!r} is no list or map of names that ends with {ends}")
    items: list[list[str]] = [[]]
    for part in tokens[1:-1]:
        if part == ",":
            items.append([])
        else:
            items[-1].append(part)
    items = items if items[-1] else items[:-1]
    if ends == "]":
        if any(len(item) != 1 for item in items):
            raise ValueError(f"{text[:80]!r} is no list of names")
        return [_scalar(item[0]) for item in items]
    if any(len(item) != 3 or item[1] != ":" for item in items):
        raise ValueError(f"{text[:80]!r} is no map of names")
    return {_scalar(key): _scalar(value) for key, _, value in items}


def _scalar(text: str) -> str:
    quoted = _QUOTED.match(text)
    if quoted:
        if text[quoted.end() :].strip():
            raise ValueError(f"{text[:80]!r} goes on behind its quotes")
        inner = quoted[0]
        if inner[0] == "'":
            return inner[1:-1].replace("''", "'")
        try:
            return str(json.loads(inner, strict=False))
        except ValueError as error:
            raise ValueError(f"{text[:80]!r} has an escape that is not read here") from error
    if text[:1] in set(_SPECIAL) or text.startswith("- ") or re.search(r":(\s|$)", text):
        raise ValueError(f"{text[:80]!r} is more than text; write it in quotes if it is a name")
    return text


def _numbered(names: str | list[str] | dict[str, str]) -> dict[int, str]:
    if isinstance(names, str):
        raise ValueError(f"names is {names[:80]!r}, and no list")
    if isinstance(names, list):
        return dict(enumerate(names))
    wrong = next((key for key in names if not key.isdecimal() or len(key) > 6), None)
    if wrong is not None:
        raise ValueError(f"the key {wrong[:80]!r} of names is no number of a class")
    return dict(sorted((int(key), name) for key, name in names.items()))
