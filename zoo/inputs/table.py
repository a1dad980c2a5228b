"""Reads CSV files of any program and country: encoding, separator, header, index column, paths of Windows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import InputError
from zoo.files.reading import read_list
from zoo.inputs import boxes
from zoo.inputs.examples import Labelled, LabelledData, notes_on_names, notes_on_several
from zoo.inputs.find import SUFFIXES, is_left_out
from zoo.inputs.splits import SplitName, is_unassigned, split_of
from zoo.text import count_of, uncell

SEPARATORS = ",;\t|"
"""The characters that part cells; which one does is seen in the first lines."""
MOST_COLUMNS = 10_000
"""Columns at most; a table with one column for each class has no more."""

PATHS = (
    "path", "file", "filename", "filepath", "filepaths", "filenames", "files", "image", "imagepath", "imagefile",
    "imagename", "imageid", "images", "img", "imgpath", "imgname", "picture", "photo", "fname", "id", "name",
)  # fmt: skip
LABELS = (
    "label", "labels", "class", "classname", "labelname", "classes", "category", "categoryname", "target", "species",
    "breed", "tag", "tags", "truth", "classid", "labelid", "categoryid", "categories", "y",
)  # fmt: skip
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "dataset", "usage", "datasplit", "phase", "isvalid", "istest")
_GROUPS = ("group", "groupid", "groups")
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}


@dataclass(frozen=True)
class _Columns:
    """The places of the columns; None for one that is not there."""

    path: int
    label: int | None
    split: int | None = None
    group: int | None = None
    flags: tuple[tuple[int, str], ...] = ()
    """The columns of zeros and ones, one for each class, with the class's name; empty where there is a label."""
    split_name: str = ""
    """The name of the column of splits, if it has one, without case and signs."""
    others: tuple[str, ...] = ()
    """The columns that are not used."""


def rows_of(text: str) -> list[tuple[int, list[str]]]:
    """Returns the rows of a CSV text that are not empty, each with the number of its line; cells have no blank ends.

    The separator is the one of `SEPARATORS` that parts the first lines into the same number of cells; Excel's first
    line `sep=;` says it.

    Raises:
        csv.Error: it is no CSV text.
    """
    first, _, rest = text.partition("\n")
    declared = first.strip().strip('"').lower()
    skipped = 0
    if declared.startswith("sep=") and len(declared) == 5:
        text, skipped, separator = rest, 1, declared[-1]
    else:
        separator = separator_of(text)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    lines = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    return [(number, row) for number, row in lines if any(row)]


def separator_of(text: str) -> str:
    """Returns the separator of a CSV text: the one that stands in each of the first lines, and in most places."""
    lines = [line for line in text[:100_000].split("\n")[:20] if line.strip()]
    counts = {one: [line.count(one) for line in lines] for one in SEPARATORS}
    everywhere = [one for one, found in counts.items() if min(found, default=0)]
    # A comma may be part of a name or of a number, where another sign parts the cells.
    return max(everywhere, key=lambda one: (len(set(counts[one])) == 1, one != ",", sum(counts[one])), default=",")


def from_csv(path: Path) -> LabelledData:
    """Lists the files of a CSV file.

    Args:
        path: a file of `path,label`, and maybe `split` and `group`, in any order with a header that names them (usual
            names of other programs, such as `filename` and `class`, are known), else in this order. A table with one
            column of zeros and ones for each class is read, too.

    Raises:
        InputError: the file cannot be read, says too little, or holds boxes.
    """
    text = read_list(path, "the data list")
    try:
        rows = rows_of(text)
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file of path,label: {error}") from error
    if not rows:
        return LabelledData(path, (), ())
    columns, headed = _columns(path, rows)
    notes = [f"columns of {path} that are not used: {', '.join(columns.others)}"] if columns.others else []
    base = _Base(path.parent, [row[columns.path] for _, row in rows[headed : headed + 5] if len(row) > columns.path])
    listed = [_example(path, number, row, columns, base, headed=bool(headed)) for number, row in rows[headed:]]
    if len({example.split is None for example in listed}) > 1:
        raise InputError(f"{path}: some lines name a split and some do not")
    if any(example.split for example in listed) and not any(example.split == "train" for example in listed):
        raise InputError(f"{path}: no line has the split train")
    twice = [place for place, count in Counter(example.path for example in listed).items() if count > 1]
    if twice:
        notes.append(
            f"{count_of(len(twice), 'file stands', 'files stand')} in several lines of {path}, such as {twice[0]}"
        )
    names = tuple(sorted({example.label for example in listed}))
    tags = headed and columns.label is not None and plain_name(rows[0][1][columns.label]) == "tags"
    notes += base.notes() + notes_on_names(names) + notes_on_several(names, blanks=bool(tags))
    return LabelledData(path, tuple(listed), names, tuple(notes))


class _Base:
    """The folder that the paths of a CSV file are relative to: its own, or the one below it that holds its files."""

    def __init__(self, folder: Path, first: Sequence[str]) -> None:
        self.folder = self._own = folder
        self.suffix = ""
        self._elsewhere: tuple[str, ...] = ()
        """The folders before the paths that are those of another machine."""
        try:
            folders = [
                folder,
                *sorted(one for one in folder.iterdir() if one.is_dir() and not is_left_out(one.name)),
            ]
        except OSError:
            folders = [folder]
        suffixes = ["", *sorted(SUFFIXES)]
        for one in folders:
            for suffix in suffixes:
                if any(_exists(one / f"{as_path(cell)}{suffix}") for cell in first):
                    self.folder, self.suffix = one, suffix
                    return
        self._find_elsewhere(folders, first)

    def _find_elsewhere(self, folders: Sequence[Path], first: Sequence[str]) -> None:
        """Finds which folders before the paths are those of another machine (`/kaggle/input`): as few as will do."""
        for parts in (Path(as_path(cell)).parts for cell in first):
            for count in range(1, len(parts)):
                for one in folders:
                    if _exists(one.joinpath(*parts[count:])):
                        self.folder, self._elsewhere = one, parts[:count]
                        return

    def place(self, cell: str) -> Path:
        """Returns the file that a cell names."""
        parts, count = Path(as_path(cell)).parts, len(self._elsewhere)
        found = self.folder.joinpath(*(parts[count:] if parts[:count] == self._elsewhere else parts))
        if self.suffix and found.suffix.lower() not in SUFFIXES:
            found = found.with_name(f"{found.name}{self.suffix}")
        return found

    def notes(self) -> list[str]:
        """Returns what was assumed."""
        if self._elsewhere:
            return [f"the files of the list are those in {self.folder}, without {Path(*self._elsewhere)} before them"]
        if self.folder == self._own and not self.suffix:
            return []
        added = f", with {self.suffix} behind their names" if self.suffix else ""
        return [f"the files of the list are those in {self.folder}{added}"]


def as_path(cell: str) -> str:
    """Returns a path as this system writes it: a list written on Windows has backslashes."""
    # CSV files of this package have an apostrophe before text that a spreadsheet would read as a formula.
    return uncell(cell).replace("\\", "/") if "\\" in cell and "/" not in cell else uncell(cell)


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def plain_name(name: str) -> str:
    """Returns the name of a column without case and signs."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _columns(path: Path, rows: list[tuple[int, list[str]]]) -> tuple[_Columns, int]:
    """Returns the columns of a table, and 1 if its first row is a header, else 0."""
    number, first = rows[0]
    if len(first) > MOST_COLUMNS:
        raise InputError(f"{path}, line {number}: it has {len(first)} cells; expected path,label or path,label,split")
    names = [plain_name(cell) for cell in first]
    what = boxes.columns_of_boxes(set(names))
    if what is not None:
        raise InputError(boxes.refusal(path, what))
    second = rows[1][1] if len(rows) > 1 else []
    index = [i for i, name in enumerate(names) if name in {"", "unnamed0", "index"} and _counts(rows[1:4], i)]
    is_file = [_names_file(path.parent, cell) for cell in first]
    place = first_of(names, PATHS)
    if any(is_file) or place is None:
        return _without_header(path, rows, is_file, second), 0
    rest = [i for i in range(len(first)) if i not in {place, *index}]
    split, group = first_of(names, SPLIT_COLUMNS), first_of(names, _GROUPS)
    label = first_of([name if i in rest else "" for i, name in enumerate(names)], LABELS)
    rest = [i for i in rest if i not in {split, group}]
    if label is None and len(rest) == 1:
        label = rest[0]
    if label is None:
        flagged = (row[i] for _, row in rows[1:6] for i in rest if i < len(row))
        if len(rest) > 1 and set(flagged) <= {"0", "1", "0.0", "1.0"}:
            flags = tuple((i, first[i]) for i in rest)
            return _Columns(place, None, split, group, flags, names[split] if split is not None else ""), 1
        if second and not _names_file(path.parent, second[place] if place < len(second) else ""):
            return _without_header(path, rows, is_file, second), 0
        raise InputError(_unknown_header(path, number, first))
    others = tuple(first[i] for i in rest if i != label)
    return _Columns(place, label, split, group, (), names[split] if split is not None else "", others), 1


def _without_header(path: Path, rows: list[tuple[int, list[str]]], is_file: list[bool], second: list[str]) -> _Columns:
    """Returns the columns of a table whose first row is none, or a header that nobody knows."""
    number, first = rows[0]
    later = [_names_file(path.parent, cell) for cell in second]
    if any(later) and not any(is_file) and len(second) == len(first):
        raise InputError(_unknown_header(path, number, first))
    if is_file[:2] == [False, True] and len(first) == 2:
        return _Columns(1, 0)
    if is_file == [False, True, False] and (is_unassigned(first[0]) or split_of(first[0]) is not None):
        return _Columns(1, 2, 0)  # as Google's AutoML has it
    return _Columns(0, 1, 2 if any(len(row) > 2 for _, row in rows) else None)


def _unknown_header(path: Path, number: int, first: list[str]) -> str:
    shown = ",".join(first[:6]) + (",..." if len(first) > 6 else "")
    return f"{path}, line {number}: {shown!r} looks like a header; call the columns path,label or path,label,split"


def first_of(names: Sequence[str], known: Sequence[str]) -> int | None:
    """Returns the place of the first of the known names that is among the names; None if none is."""
    return next((names.index(name) for name in known if name in names), None)


def _counts(rows: list[tuple[int, list[str]]], column: int) -> bool:
    """Whether a column holds the rows' numbers, as pandas writes its index."""
    cells = [row[column] if column < len(row) else "" for _, row in rows]
    return bool(cells) and all(cell.isdecimal() for cell in cells)


def _names_file(folder: Path, cell: str) -> bool:
    place = as_path(cell)
    return Path(place).suffix.lower() in SUFFIXES | {".npy"} or (bool(place) and _exists(folder / place))


def _example(path: Path, number: int, row: list[str], columns: _Columns, base: _Base, *, headed: bool) -> Labelled:
    wanted = "path,label or path,label,split"
    if columns.flags:
        marked = [name for i, name in columns.flags if i < len(row) and row[i] in {"1", "1.0"}]
        if len(marked) != 1:
            raise InputError(
                f"{path}, line {number}: {len(marked)} classes are marked with 1; edgezoo trains classifiers with "
                "exactly one class for each picture"
            )
        label = marked[0]
    else:
        assert columns.label is not None  # noqa: S101  # a table has a label or flags
        if (not headed and len(row) not in {2, 3}) or len(row) <= max(columns.path, columns.label):
            raise InputError(f"{path}, line {number}: expected {wanted}")
        label = uncell(row[columns.label])
    if not row[columns.path] or not label:
        lacks = "label" if row[columns.path] else "path"
        raise InputError(f"{path}, line {number}: it has no {lacks}; expected {wanted}")
    split = group = None
    if columns.split is not None and columns.split < len(row):
        split = _split(path, number, row[columns.split], columns.split_name)
    if columns.group is not None and columns.group < len(row):
        group = uncell(row[columns.group]) or None
    return Labelled(base.place(row[columns.path]), label, split, group)


def _split(path: Path, number: int, word: str, column: str) -> SplitName | None:
    if not word or is_unassigned(word):
        return None
    if column in {"isvalid", "istest"} and word.lower() in _TRUE | _FALSE:
        other: SplitName = "validation" if column == "isvalid" else "test"
        return other if word.lower() in _TRUE else "train"
    split = split_of(word)
    if split is None and column == "usage":  # FER-2013's PublicTest and PrivateTest
        split = {"publictest": "validation", "privatetest": "test"}.get(word.lower())  # type: ignore[assignment]
    if split is None:
        raise InputError(f"{path}, line {number}: {word!r} is no split; give train, val or test")
    return split
