"""Lists files with their classes: from class folders, from split folders, or from a CSV file.

This is the one reader of data: training, calibration and evaluation call it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import InputError
from zoo.inputs.examples import Labelled, LabelledData
from zoo.inputs.find import SUFFIXES
from zoo.inputs.folders import files_below, from_folder, other_files, subfolders
from zoo.inputs.splits import SPLITS, SplitName, split_of
from zoo.inputs.table import from_csv

__all__ = ["SPLITS", "Examples", "Labelled", "LabelledData", "SplitName", "find_examples", "find_labelled"]


def find_labelled(path: str | Path, suffixes: Collection[str] | None = None, *, least: int = 2) -> LabelledData:
    """Lists labelled files.

    Args:
        path: `DATA` with `DATA/class/*.jpg`; or with `DATA/train/class/*.jpg` and the same below `val` and, if there is
            one, `test` (in any case, and in other usual spellings: `Training`, `training_set`, `valid`...); or a CSV
            file of `path,label` or `path,label,split`, with or without a header, paths relative to it. Folders are
            read with all their subfolders; hidden files are left out.
        suffixes: the suffixes of the files to list; those of pictures by default.
        least: the smallest allowed number of classes.

    Raises:
        InputError: there is no such folder or file, it has too few classes, it holds boxes or masks, or its folders may
            be splits or classes.
    """
    path = Path(path)
    suffixes = SUFFIXES if suffixes is None else suffixes
    if path.is_dir():
        data = from_folder(path, suffixes, partial=least < 2)
    elif path.is_file() and path.suffix.lower() in {".csv", ".tsv"}:
        data = from_csv(path)
    elif path.exists():
        raise InputError(f"{path} is neither a folder nor a .csv file of path,label")
    else:
        raise InputError(f"no data folder or .csv file {path}")
    if len(data.class_names) < least and not path.is_dir():
        found = "one class only" if data.class_names else "no file with its class"
        raise InputError(f"{path} names {found}; expected lines of path,label, such as photos/1.jpg,cat")
    if len(data.class_names) < least:
        wanted = "two or more class folders of files" if least > 1 else "a folder of files for each class"
        raise InputError(
            f"{path} has {'one class only' if data.class_names else 'no class folders'}; expected {wanted}, as in "
            f"{path.name}/cat/1{min({'.jpg', '.npy'} & set(suffixes), default='')}"
        )
    return data


@dataclass(frozen=True)
class Examples:
    """Files to calibrate on: those that a training would take, or all of a folder without classes."""

    by_class: dict[str, list[Path]]
    """The files of each class, sorted; of files without a class, the class is empty."""
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    """One line for each group of files that are not used."""


def find_examples(path: Path, suffixes: Collection[str] | None = None) -> Examples:
    """Lists the training files of a data folder or CSV file, or all files of a folder without class folders.

    Raises:
        InputError: as `find_labelled`; a folder without any class is none.
    """
    suffixes = SUFFIXES if suffixes is None else suffixes
    if path.is_dir():
        folders = subfolders(path)
        flat = [one for one in folders if split_of(one.name) == "train" and not subfolders(one)]
        holding = [one for one in folders if files_below(one, suffixes)]
        if len(flat) == 1 and len(holding) > 1 and all(split_of(one.name) for one in holding):
            # Splits of pictures without classes are no data to train on, but examples they are.
            return Examples({"": sorted(files_below(flat[0], suffixes))}, (), ())
        if not holding:
            files = sorted(files_below(path, suffixes))
            names = tuple(one.name for one in folders)
            return Examples({"": files} if files else {}, names, tuple(other_files(path, [path], suffixes)))
    data = find_labelled(path, suffixes, least=0)
    by_class: dict[str, list[Path]] = {}
    for example in sorted(data.for_training(), key=lambda one: one.path):
        by_class.setdefault(example.label, []).append(example.path)
    return Examples(by_class, data.class_names, data.notes)
