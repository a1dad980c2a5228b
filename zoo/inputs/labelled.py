"""Lists files with their classes: from class folders, from `train/` and `val/` folders, or from a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.errors import InputError
from zoo.files import read_list
from zoo.inputs.find import SUFFIXES, find_pictures
from zoo.text import uncell

SplitName = Literal["train", "validation", "test"]

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

FOLDERS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "validation", "valid"),
    "test": ("test",),
}
"""The names that the folder of each split may have."""


@dataclass(frozen=True)
class Labelled:
    """A file and the name of its class."""

    path: Path
    label: str
    split: SplitName | None = None
    """The split that the data assign it to; None if they assign none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes in the file: a single one."""
        return (self.label,)


@dataclass(frozen=True)
class LabelledData:
    """The files that a folder or CSV file lists; none of them has been opened."""

    root: Path
    examples: tuple[Labelled, ...]
    class_names: tuple[str, ...]
    """The class names in alphabetical order, the order of Keras' `image_dataset_from_directory`."""
    notes: tuple[str, ...] = ()
    """One line for each group of files that are not used."""

    @property
    def label_indices(self) -> tuple[int, ...]:
        """The class index of each example."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return tuple(index[example.label] for example in self.examples)

    def held_out(self) -> tuple[Labelled, ...]:
        """Returns the examples to evaluate a file on: the test split, else the validation split, else all examples.

        Raises:
            InputError: there are no examples.
        """
        for split in ("test", "validation"):
            found = tuple(example for example in self.examples if example.split == split)
            if found:
                return found
        if not self.examples:
            raise InputError(f"{self.root} holds no files in its class folders")
        return self.examples


def find_labelled(path: str | Path, suffixes: set[str] | None = None, *, least: int = 2) -> LabelledData:
    """Lists labelled files.

    Args:
        path: `DATA` with `DATA/class/*.jpg`; or with `DATA/train/class/*.jpg` and the same below `val` and, if there is
            one, `test`; or a CSV file of `path,label` or `path,label,split`, with or without that header, paths
            relative to it. Folders are read with all their subfolders; hidden files are left out.
        suffixes: the suffixes of the files to list; those of pictures by default.
        least: the smallest allowed number of classes.

    Raises:
        InputError: there is no such folder or file, or it has too few classes.
    """
    path = Path(path)
    suffixes = SUFFIXES if suffixes is None else suffixes
    if path.is_dir():
        data = _from_split_folders(path, suffixes) if _has_split_folders(path) else _from_class_folders(path, suffixes)
    elif path.is_file() and path.suffix.lower() == ".csv":
        data = _from_csv(path)
    elif path.exists():
        raise InputError(f"{path} is neither a folder nor a .csv file of path,label")
    else:
        raise InputError(f"no data folder or .csv file {path}")
    if len(data.class_names) < least:
        wanted = "two or more class folders of files" if least > 1 else "a folder of files for each class"
        raise InputError(
            f"{path} has {'one class only' if data.class_names else 'no class folders'}; expected {wanted}, as in "
            f"{path.name}/cat/1{min(suffixes & {'.jpg', '.npy'}, default='')}"
        )
    return data


def _has_split_folders(path: Path) -> bool:
    # The folder must contain folders: one that contains pictures is a class called train.
    return (path / "train").is_dir() and bool(_folders(path / "train"))


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    try:
        return list(find_pictures([folder], suffixes))
    except InputError:  # none
        return []


def _from_class_folders(root: Path, suffixes: set[str]) -> LabelledData:
    folders = _folders(root)
    examples = tuple(Labelled(path, folder.name) for folder in folders for path in _files(folder, suffixes))
    return LabelledData(root, examples, tuple(f.name for f in folders), tuple(_left_aside(root, folders, suffixes)))


def _from_split_folders(root: Path, suffixes: set[str]) -> LabelledData:
    folders = {split: [root / name for name in names if (root / name).is_dir()] for split, names in FOLDERS.items()}
    for split, found in folders.items():
        if len(found) > 1:
            raise InputError(f"{root} has both {found[0].name} and {found[1].name} for {split}; keep one")
    class_names = tuple(folder.name for folder in _folders(root / "train"))
    examples = []
    notes = []
    for split, found in folders.items():
        for folder in found:
            classes = _folders(folder)
            unknown = [c.name for c in classes if c.name not in class_names]
            if unknown:
                raise InputError(f"{folder} has a class that {root / 'train'} has not: {', '.join(unknown)}")
            examples += [Labelled(path, c.name, split) for c in classes for path in _files(c, suffixes)]
            notes += _left_aside(folder, classes, suffixes)
    used = {folder for found in folders.values() for folder in found}
    unused = [folder.name for folder in _folders(root) if folder not in used]
    if unused:
        notes.append(f"not used, because {root} has a train folder: {', '.join(unused)}")
    return LabelledData(root, tuple(examples), class_names, tuple(notes))


def _left_aside(root: Path, folders: Iterable[Path], suffixes: set[str]) -> list[str]:
    """Returns notes on files that are not used, although the user may expect it."""
    notes = []
    loose = sum(e.suffix.lower() in suffixes for e in root.iterdir() if e.is_file() and not e.name.startswith("."))
    if loose:
        notes.append(f"directly in {root}, in no class, and not used: {loose} files")
    others: dict[str, int] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix.lower() not in suffixes and not path.name.startswith(".") and path.is_file():
                others[path.suffix.lower()] = others.get(path.suffix.lower(), 0) + 1
    if others:
        listed = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(others.items()))
        notes.append(f"of another kind, in {root}, and not used: {listed}")
    return notes


def _from_csv(path: Path) -> LabelledData:
    reader = csv.reader(io.StringIO(read_list(path, "the data list")))
    try:
        lines = [(number, [cell.strip() for cell in row]) for number, row in enumerate(reader, start=1)]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file of path,label: {error}") from error
    rows = [(number, row) for number, row in lines if any(row)]
    if rows and [cell.lower() for cell in rows[0][1]] in (["path", "label"], ["path", "label", "split"]):
        rows = rows[1:]
    listed: list[Labelled] = []
    for number, row in rows:
        if len(row) not in {2, 3} or not row[0] or not row[1]:
            raise InputError(f"{path}, line {number}: expected path,label or path,label,split")
        split = _split(path, number, row[2]) if len(row) == 3 else None
        # CSV files of this package have an apostrophe before text that a spreadsheet would read as a formula.
        listed.append(Labelled(path.parent / uncell(row[0]), uncell(row[1]), split))
    if len({example.split is None for example in listed}) > 1:
        raise InputError(f"{path}: some lines name a split and some do not")
    if any(example.split for example in listed) and not any(example.split == "train" for example in listed):
        raise InputError(f"{path}: no line has the split train")
    return LabelledData(path, tuple(listed), tuple(sorted({example.label for example in listed})))


def _split(path: Path, number: int, word: str) -> SplitName | None:
    if not word:
        return None
    for split, names in FOLDERS.items():
        if word.lower() in names:
            return split
    raise InputError(f"{path}, line {number}: {word!r} is no split; give train, val or test")
