"""Pictures whose class is known: a folder with one folder a class, or a CSV file of path,label."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import InputError
from zoo.runner.pictures import SUFFIXES, find_pictures

HELD_OUT = ("test", "val", "validation")
"""Of a data set that is split into folders already, the parts that a file may be judged on, best first."""


@dataclass(frozen=True)
class Labelled:
    """A picture and the name of its class."""

    path: Path
    label: str


def find_labelled(source: str | Path, suffixes: set[str] | None = None) -> list[Labelled]:
    """Reads a data set.

    Args:
        source: `DIR/class/**/picture.jpg`; a folder that holds `train` beside `val` or `test`, of which the held-out
            part is taken; or a CSV file of path,label (a header `path,label` may be there; paths are relative to it).
        suffixes: what counts as a picture.

    Returns:
        In the order of class and file names.

    Raises:
        InputError: it cannot be read, or holds no class or no picture.
    """
    source = Path(source)
    suffixes = SUFFIXES if suffixes is None else suffixes
    if source.is_file():
        return _read_csv(source)
    if not source.is_dir():
        raise InputError(
            f"no folder {source}; give one with a folder of pictures for each class, or a CSV of path,label"
        )
    source = held_out(source)
    classes = sorted(place for place in source.iterdir() if place.is_dir() and not place.name.startswith("."))
    if not classes:
        raise InputError(f"{source} holds no folders; it takes one folder of pictures for each class")
    found = []
    for place in classes:
        found += [Labelled(path, place.name) for path in find_pictures([place], suffixes)]
    return found


def held_out(folder: Path) -> Path:
    """The part of a split data set to judge a file on; the folder itself where it is not split."""
    if (folder / "train").is_dir():
        for name in HELD_OUT:
            if (folder / name).is_dir():
                return folder / name
    return folder


def _read_csv(path: Path) -> list[Labelled]:
    found = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row or (number == 1 and [cell.strip().lower() for cell in row] == ["path", "label"]):
                    continue
                if len(row) != 2 or not row[0].strip() or not row[1].strip():
                    raise InputError(f"{path}, line {number}: {','.join(row)!r} is not a path and a label")
                found.append(Labelled(path.parent / row[0].strip(), row[1].strip()))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file of path,label: {error}") from error
    if not found:
        raise InputError(f"{path} holds no path,label")
    return found
