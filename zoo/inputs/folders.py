"""Reads data folders: which folders are classes and which are splits, and the files below them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from zoo.errors import InputError
from zoo.inputs import boxes
from zoo.inputs.examples import Labelled, LabelledData, hint_of_alike, notes_on_names
from zoo.inputs.find import find_pictures, is_left_out, told
from zoo.inputs.splits import SPLITS, SplitName, split_of, split_within, words_beside
from zoo.text import count_of

SplitFolders = dict[SplitName, Path]


def from_folder(root: Path, suffixes: Collection[str], *, partial: bool = False) -> LabelledData:
    """Lists the files of a data folder.

    Its folders are splits if they are named like splits (see `zoo.inputs.splits`) and hold class folders, and classes
    otherwise. Classes whose own folders are all named like splits (`cat/train`, `cat/val`) are read as such.

    Args:
        root: the folder.
        suffixes: the suffixes of the files to list.
        partial: whether a folder with a test or validation split alone is enough, as for an evaluation.

    Raises:
        InputError: the folder cannot be read, holds boxes or masks, or has folders that may be splits or classes.
    """
    what = boxes.what_it_is(root)
    if what is not None:
        raise InputError(boxes.refusal(root, what))
    folders = subfolders(root)
    splits = split_folders(root, folders, suffixes)
    if splits:
        if "train" not in splits and not partial:
            names = ", ".join(folder.name for folder in splits.values())
            raise InputError(f"{root} has the folder {names} and no folder train: name the folder to train on train")
        return _from_splits(root, folders, splits, suffixes)
    _require_classes(root, folders, suffixes, wrapped=not partial)
    if folders and all(_has_split_folders(folder) for folder in folders):
        return _from_split_classes(root, folders, suffixes)
    examples = tuple(Labelled(path, folder.name) for folder in folders for path in files_below(folder, suffixes))
    class_names = tuple(folder.name for folder in folders)
    notes = [*left_aside(root, folders, suffixes), *_doubts(root, folders, suffixes), *notes_on_names(class_names)]
    return LabelledData(root, examples, class_names, tuple(notes))


def split_folders(root: Path, folders: Sequence[Path], suffixes: Collection[str]) -> SplitFolders:
    """Returns the folder of each split that holds class folders; nothing if the folders are classes.

    Raises:
        InputError: two folders stand for one split, or nobody can tell whether the folders are splits or classes.
    """
    named = {folder: split for folder in folders if (split := split_of(folder.name)) is not None}
    inner = {folder: _unwrapped(folder, split) for folder, split in named.items()}
    structured = {folder: split for folder, split in named.items() if subfolders(inner[folder])}
    others = [folder for folder in folders if folder not in named and files_below(folder, suffixes)]
    if not structured:
        inner = _beside_each_other(folders, suffixes)
        if not inner:
            return {}
        structured = {folder: split for folder in inner if (split := split_within(folder.name)) is not None}
        named, others = structured, []
    if len(set(named.values())) < 2 and others:
        (folder,) = list(structured)[:1]
        if len([one for one in subfolders(inner[folder]) if files_below(one, suffixes)]) < 2:
            return {}
        raise InputError(
            f"{root} may have the classes {_listed(sorted([*others, folder]))}, or {folder.name} may be the training "
            f"split of the classes {_listed(subfolders(inner[folder]))}: move {_listed(others)} elsewhere if it is; "
            f"put the pictures of {folder.name} directly into it if it is a class"
        )
    splits: SplitFolders = {}
    for folder, split in sorted(structured.items()):
        if split in splits:
            raise InputError(f"{root} has both {splits[split].name} and {folder.name} for {split}; keep one")
        splits[split] = inner[folder]
    return {split: splits[split] for split in SPLITS if split in splits}


def subfolders(path: Path) -> list[Path]:
    """Returns the folders in a folder, sorted by name, without hidden ones and what systems leave there.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not is_left_out(entry.name))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Returns the files in a folder and all its folders that have one of the suffixes; none is no error."""
    try:
        return list(find_pictures([folder], suffixes))
    except InputError:  # none
        return []


def left_aside(root: Path, folders: Sequence[Path], suffixes: Collection[str]) -> list[str]:
    """Returns notes on files that are not used, although the user may expect it."""
    loose = len(_loose(root, suffixes))
    notes = [f"directly in {root}, in no class, and not used: {count_of(loose, 'file')}"] if loose else []
    return notes + other_files(root, folders, suffixes)


def other_files(root: Path, folders: Sequence[Path], suffixes: Collection[str]) -> list[str]:
    """Returns a note on the files below folders that have none of the suffixes; nothing if there are none."""
    others: Counter[str] = Counter()
    for folder in folders:
        try:
            for _ in find_pictures([folder], suffixes, others):
                pass
        except InputError:  # it holds none
            continue
    return [f"of another kind, in {root}, and not used: {told(others)}"] if others else []


def _loose(root: Path, suffixes: Collection[str]) -> list[Path]:
    return sorted(
        entry
        for entry in root.iterdir()
        if entry.suffix.lower() in suffixes and not is_left_out(entry.name) and entry.is_file()
    )


def _unwrapped(folder: Path, split: SplitName | None) -> Path:
    """Returns the folder in a split's folder that has the same meaning and is all that it holds, as in train/train."""
    inside = subfolders(folder)
    if len(inside) != 1:
        return folder
    same = inside[0].name.casefold() == folder.name.casefold()
    return inside[0] if same or (split is not None and split_of(inside[0].name) == split) else folder


def _beside_each_other(folders: Sequence[Path], suffixes: Collection[str]) -> dict[Path, Path]:
    """Finds splits whose names have another word, as `seg_train` and `seg_test`: they hold the same classes.

    Folders beside them may hold pictures, but no classes, as `seg_pred`. One that holds classes is enough where another
    has the same words but for the split's, as `asl_train` beside `asl_test`.

    Returns:
        The folder of each such split, and the folder in it that holds the classes; nothing if there are none.
    """
    inner = {folder: _unwrapped(folder, None) for folder in folders if files_below(folder, suffixes)}
    splits = {folder: inside for folder, inside in inner.items() if split_within(folder.name) and subfolders(inside)}
    others = {folder: inside for folder, inside in inner.items() if folder not in splits}
    if not splits or any(subfolders(inside) for inside in others.values()):
        return {}
    if len({split_within(folder.name) for folder in splits}) > 1:
        return splits if _share_classes(list(splits.values())) else {}
    (words,) = [words_beside(folder.name) for folder in splits][:1]
    twins = [folder for folder in others if split_within(folder.name) and words_beside(folder.name) == words]
    return splits if len(splits) == 1 and twins else {}


def _share_classes(folders: Sequence[Path]) -> bool:
    names = [{one.name.casefold() for one in subfolders(folder)} for folder in folders]
    return bool(set.intersection(*names))


def _has_split_folders(folder: Path) -> bool:
    inside = subfolders(folder)
    return (
        bool(inside)
        and all(split_of(one.name) for one in inside)
        and any(split_of(one.name) == "train" for one in inside)
    )


def _require_classes(root: Path, folders: Sequence[Path], suffixes: Collection[str], *, wrapped: bool) -> None:
    """Refuses splits without class folders, pictures with boxes and, if `wrapped`, a folder around the data folder."""
    holding = [folder for folder in folders if files_below(folder, suffixes)]
    splits = [folder for folder in holding if split_of(folder.name)]
    flat = splits if len({split_of(folder.name) for folder in splits}) > 1 and splits == holding else []
    # A single folder cannot be all classes: it may hold pictures with boxes.
    for folder in [*flat, *([root] if not folders else folders if len(folders) == 1 else [])]:
        what = boxes.loose_pictures_with_boxes(folder, suffixes)
        if what is not None:
            raise InputError(boxes.refusal(root, what))
    if flat:
        tables = sorted(path.name for path in root.glob("*.csv"))
        way = f"give the list {root / tables[0]}" if tables else "give a CSV file of path,label,split"
        raise InputError(
            f"{root} has the splits {_listed(flat)} with no class folders in them, so that no picture has a class: "
            f"sort the pictures into folders such as {flat[0].name}/cat, or {way}"
        )
    if wrapped and len(folders) == 1 and not _loose(folders[0], suffixes):
        inside = [one for one in subfolders(folders[0]) if files_below(one, suffixes)]
        if len(inside) > 1:
            raise InputError(
                f"{root} has one class only, {folders[0].name}, which holds {_listed(inside)}; give {folders[0]}"
            )


def _doubts(root: Path, folders: Sequence[Path], suffixes: Collection[str]) -> list[str]:
    """Returns notes on class folders that may not be meant as such."""
    notes = []
    named = [folder for folder in folders if split_of(folder.name)]
    if len(named) > 1:
        notes.append(f"{_listed(named)} are taken for classes, not for splits, because {root} has other class folders")
    inside = {
        folder: frozenset(one.name for one in subfolders(folder) if files_below(one, suffixes)) for folder in folders
    }
    for names in dict.fromkeys(inside.values()):
        alike = [folder for folder in folders if inside[folder] == names]
        if len(names) > 1 and len(alike) > 1:
            every = "every class folder" if len(alike) == len(folders) else "some class folders"
            verb = "has" if len(alike) == len(folders) else "have"
            notes.append(
                f"{every} ({_listed(alike)}) {verb} the same folders {', '.join(sorted(names))}: if those are the "
                "classes, give one folder for each of them; if the others are splits, name them train, val and test"
            )
    return notes


def _from_splits(root: Path, folders: Sequence[Path], splits: SplitFolders, suffixes: Collection[str]) -> LabelledData:
    first = next(iter(splits.values()))
    class_names: tuple[str, ...] = tuple(folder.name for folder in subfolders(first))
    if "train" not in splits:
        class_names = tuple(sorted({one.name for folder in splits.values() for one in subfolders(folder)}))
    examples = []
    notes = []
    for split, folder in splits.items():
        classes = subfolders(folder)
        unknown = [one.name for one in classes if one.name not in class_names]
        if unknown:
            hint = hint_of_alike(unknown[0], class_names)
            raise InputError(f"{folder} has a class that {first} has not: {', '.join(unknown)}{hint}")
        examples += [Labelled(path, one.name, split) for one in classes for path in files_below(one, suffixes)]
        notes += left_aside(folder, classes, suffixes)
    used = set(splits.values())
    unused = [folder for folder in folders if not any(one == folder or folder in one.parents for one in used)]
    if unused:
        notes.append(f"not used, because {root} has a {first.name} folder: {_listed(unused)}")
    return LabelledData(root, tuple(examples), class_names, (*notes, *notes_on_names(class_names)))


def _from_split_classes(root: Path, folders: Sequence[Path], suffixes: Collection[str]) -> LabelledData:
    """Lists classes whose folders hold the splits: `cat/train`, `cat/val`."""
    examples = []
    notes = []
    for folder in folders:
        parts = subfolders(folder)
        examples += [
            Labelled(path, folder.name, split_of(part.name)) for part in parts for path in files_below(part, suffixes)
        ]
        notes += left_aside(folder, parts, suffixes)
    names = tuple(folder.name for folder in folders)
    return LabelledData(root, tuple(examples), names, (*notes, *notes_on_names(names)))


def _listed(folders: Sequence[Path], most: int = 10) -> str:
    names = [folder.name for folder in folders]
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
