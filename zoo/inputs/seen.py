"""Remembers which pictures a file was trained on, without telling it to anybody who does not have them.

Two records are kept. The card of a file holds one digest of all the data, and the split of each file in the order of
salted hashes: who has all the data can tell which were trained on, nobody else can tell whether a picture was among
them.
The run's folder holds a salted hash of each picture, so that the owner can ask of any of them; that file stays at home.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.files.reading import read_text
from zoo.files.writing import atomic
from zoo.inputs.splits import SPLITS, SplitName

FILE = "split.json"
"""The record in a run's folder; it is for its owner alone."""
UNUSED = "unused"
"""The record's list of the files that were not used; records of older versions have none."""
FIELD = "training_data"
"""The card's field."""
SALT_BYTES = 16
MOST = 500_000
"""Files of larger data are not recorded in a card, which has a limit of its own."""
_LETTERS: dict[SplitName | None, str] = {"train": "t", "validation": "v", "test": "e", None: "-"}

Contents = Sequence[tuple[str, SplitName | None]]
"""The SHA-256 of each file in hexadecimal, and its split; None for a file that was not used."""


def from_record(folder: Path) -> dict[str, Any] | None:
    """Returns what the card of a file of a run's model says of the data, by the record in the run's folder.

    Returns:
        None if there is no record, or there are too many files.

    Raises:
        InputError: the record cannot be read, or is none.
    """
    if not (folder / FILE).is_file():
        return None
    salt, record = _read(folder / FILE)
    marks = [(mark, _LETTERS[split]) for split in (*SPLITS, None) for mark in record[split]]
    return _field(salt, marks) if len(marks) <= MOST else None


def write(folder: Path, contents: Contents) -> None:
    """Writes the record of a run's folder.

    Raises:
        OutputError: it cannot be written.
    """
    salt = secrets.token_hex(SALT_BYTES)
    splits = _by_hash(contents)
    record = {
        split or UNUSED: sorted(_salted(salt, content) for content, one in splits.items() if one == split)
        for split in (*SPLITS, None)
    }
    with atomic(folder / FILE) as scratch:
        scratch.write_text(json.dumps({"salt": salt, **record}, indent=0) + "\n", encoding="utf-8")


def recall(card: Mapping[str, Any], file: Path, paths: Sequence[Path]) -> dict[Path, SplitName] | None:
    """Returns the split in which each picture was when a file was trained; pictures that were in none are left out.

    Args:
        card: the card of the file.
        file: the file; the run's record lies beside it.
        paths: the pictures; the card can tell only if they are all the data of the training and no others.

    Returns:
        None if neither record can tell.
    """
    if FIELD not in card and not (file.parent / FILE).is_file():
        return None
    hashes = {path: _hash(path) for path in paths}
    known = _from_card(card.get(FIELD), [one for one in hashes.values() if one])
    if known is None:
        known = _from_folder(file.parent / FILE, [one for one in hashes.values() if one], card)
    if known is None:
        return None
    return {path: known[content] for path, content in hashes.items() if content in known}


def _from_card(stated: Any, hashes: Sequence[str]) -> dict[str, SplitName] | None:
    if not isinstance(stated, dict):
        return None
    salt, value, packed = (stated.get(name) for name in ("salt", "value", "splits"))
    if not (isinstance(salt, str) and isinstance(value, str) and isinstance(packed, str)):
        return None
    letters = _unpack(packed)
    marks = sorted((_salted(salt, content), content) for content in set(hashes))
    if len(marks) != len(letters) or value != _digest(salt, [mark for mark, _ in marks]):
        return None
    splits = {letter: split for split, letter in _LETTERS.items()}
    found = {content: splits.get(letter) for (_, content), letter in zip(marks, letters, strict=True)}
    return {content: split for content, split in found.items() if split}


def _from_folder(path: Path, hashes: Sequence[str], card: Mapping[str, Any]) -> dict[str, SplitName] | None:
    """Looks hashes up in a run's record, for a file that was trained in that run."""
    if card.get("weights_from") != "trained" or not path.is_file():
        return None
    salt, record = _read(path)
    splits = {mark: split for split in SPLITS for mark in record[split]}
    marks = {content: _salted(salt, content) for content in hashes}
    return {content: splits[mark] for content, mark in marks.items() if mark in splits}


def _read(path: Path) -> tuple[str, dict[SplitName | None, list[str]]]:
    """Returns the salt of a record, and the salted hashes of each split."""
    try:
        record = json.loads(read_text(path, "the record of the split"))
        lists: dict[SplitName | None, list[str]] = {split: list(map(str, record[split])) for split in SPLITS}
        return str(record["salt"]), lists | {None: list(map(str, record.get(UNUSED, ())))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no record of a split; remove it, and export the run again") from error


def _field(salt: str, marks: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Returns the card's field, of salted hashes with the letter of their split."""
    ordered = sorted(marks)
    letters = "".join(letter for _, letter in ordered)
    return {"salt": salt, "value": _digest(salt, [mark for mark, _ in ordered]), "splits": _pack(letters)}


def _pack(letters: str) -> str:
    """Returns letters as text of a tenth of the length: a card is part of a file that has to be small."""
    return base64.b64encode(zlib.compress(letters.encode("ascii"), 9)).decode("ascii")


def _unpack(packed: str) -> str:
    """Returns the letters that `_pack` was given; nothing for any other text."""
    try:
        return zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), MOST + 1).decode("ascii")
    except (ValueError, zlib.error):
        return ""


def _by_hash(contents: Contents) -> dict[str, SplitName | None]:
    """Returns the split of each content; one that was trained on counts as such, whatever became of its copies."""
    found: dict[str, SplitName | None] = {}
    for content, split in contents:
        if content and (found.get(content) is None or split == "train"):
            found[content] = split
    return found


def _salted(salt: str, content: str) -> str:
    return hashlib.sha256(f"{salt} {content}".encode()).hexdigest()[:16]


def _digest(salt: str, marks: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([salt, *marks]).encode()).hexdigest()


def _hash(path: Path) -> str:
    """Returns the SHA-256 of a file; nothing if it cannot be read, which its reader will say."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
