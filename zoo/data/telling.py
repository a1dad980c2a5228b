"""A report on data as lines of text, for a terminal, a training's log and the page of a run."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.inputs.splits import SPLITS, SplitName
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.data.boxes.report import BoxReport
    from zoo.data.report import BadFile, DataReport

SHOWN = 10
"""The most files of a list that are told."""

_COPIES = {
    "class": "same content in one class, used on one side of the split",
    "splits": "same content in several splits, used in one of them only",
    "classes": "same content in several classes, not used",
}


def count_rows(report: DataReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Returns the columns and rows of a table of the files of each class and split, with the class's weight."""
    splits: list[SplitName] = [split for split in SPLITS if any(report.counts[split]) or split == "train"]
    weights = report.class_weights
    rows = [
        (name, *(str(report.counts[split][i]) for split in splits), f"{weights[i]:.2f}" if i in weights else "")
        for i, name in enumerate(report.class_names)
    ]
    rows.append(("all", *(str(sum(report.counts[split])) for split in splits), ""))
    return ("class", *splits, "weight"), rows


def lines(report: DataReport, *, classes: int = 20, most: int = 5) -> list[str]:
    """Returns a report as a training prints it before it begins: counts, split, notes, and the beginning of each list.

    Args:
        report: the report.
        classes: the most classes whose counts are told.
        most: the most entries of each list.
    """
    more = place_of_more(report)
    return [
        f"data: {report.path}, {used(report, 'file')}",
        *aligned(count_rows(report), classes, more),
        *summary(report),
        *notes(report),
        *lists(report, most, more=more),
    ]


def aligned(
    table: tuple[tuple[str, ...], list[tuple[str, ...]]], classes: int, more: str, *, sums: int = 1
) -> list[str]:
    """Returns the counts of the classes in aligned columns, the sums last.

    Args:
        table: columns and rows; the last column is left out.
        classes: the most classes that are told.
        more: where the others are to be found.
        sums: the number of rows at the end that are no classes.
    """
    columns, rows = table
    hidden = max(0, len(rows) - sums - classes)
    shown = [row[:-1] for row in (columns, *rows[: len(rows) - sums - hidden], *rows[len(rows) - sums :])]
    widths = [max(len(row[i]) for row in shown) for i in range(len(shown[0]))]
    told = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in shown]
    return told if not hidden else [*told[:-sums], f"and {count_of(hidden, 'more class')} ({more})", *told[-sums:]]


def without_names(report: DataReport) -> list[str]:
    """Returns what a report says in sentences that name no file and no place, for pages that are given away."""
    return [used(report, "file"), *summary(report), *nameless(report, _COPIES)]


def used(report: DataReport | BoxReport, what: str) -> str:
    """Returns how much of what was found is used, as part of a line; `what` is the word for one."""
    return f"{report.used} of {count_of(report.found, what)} used"


def place_of_more(report: DataReport | BoxReport) -> str:
    """Returns the command that says what a training's log leaves out."""
    return f"zoo data check {shlex.quote(str(report.path))}"


def nameless(report: DataReport | BoxReport, copies_of: Mapping[str, str]) -> list[str]:
    """Returns what was left out and what is to be known of any data, in sentences that name no file and no place.

    Args:
        report: the report.
        copies_of: what is done with each kind of copies, in words.
    """
    found = []
    reasons = Counter(map(_kind, report.bad))
    found += [f"skipped: {count_of(count, 'file')}: {reason}" for reason, count in reasons.most_common(SHOWN)]
    if len(reasons) > SHOWN:
        found.append(f"skipped for other reasons: {count_of(sum(n for _, n in reasons.most_common()[SHOWN:]), 'file')}")
    for kind, text in copies_of.items():
        count = sum(len(copies.paths) for copies in report.copies if copies.kind == kind)
        found += [f"{text}: {count_of(count, 'file')}"] if count else []
    if report.near is not None and report.near.count:
        found.append(f"held-out pictures almost like a training picture: {report.near.count} of {report.near.compared}")
    pairs = {str(path) for pair in (report.near.pairs if report.near else ()) for path in pair[:2]}
    for note in report.notes:
        if not any(path in note for path in pairs):
            place = note.replace(str(report.path), report.path.name) if len(report.path.parts) > 1 else note
            found.append(re.sub(r",? such as [^,:;]*", "", place))
    return found


def summary(report: DataReport) -> list[str]:
    """Returns how the data are split, and what the pictures are like, in lines."""
    lines = [f"split: {report.split_by}"]
    if min(report.counts["train"]):
        lines.append(f"imbalance: the largest class has {report.imbalance:.1f} times the files of the smallest")
    if report.sizes:
        sizes = ", ".join(f"{name} {width}x{height}" for name, (width, height) in report.sizes.items())
        modes = ", ".join(f"{count} {mode}" for mode, count in report.modes.items())
        lines.append(f"pictures: {sizes}; {modes}")
    return lines


def notes(report: DataReport | BoxReport) -> list[str]:
    """Returns the notes of a report in lines, each a sentence that begins with `note: `."""
    return [f"note: {note}" for note in report.notes]


def lists(report: DataReport, most: int = SHOWN, *, more: str = "--json lists all") -> list[str]:
    """Returns the lists of a report in lines: files that are not used, copies, near copies; an empty line before each.

    Args:
        report: the report.
        most: the most entries of each list.
        more: where the rest of a list is to be found.
    """
    return lists_of(report, "cannot be read and is skipped", _one_of_each(report), _COPIES, most, more)


def lists_of(
    report: DataReport | BoxReport,
    skipped: str,
    reasons: Sequence[str],
    copies_of: Mapping[str, str],
    most: int,
    more: str,
) -> list[str]:
    """Returns the lists of any report in lines: what is not used, copies, near copies; an empty line before each.

    Args:
        report: the report.
        skipped: what became of files that cannot be used, in words.
        reasons: why each of them cannot, in the order in which they are told.
        copies_of: what is done with each kind of copies, in words.
        most: the most entries of each list.
        more: where the rest of a list is to be found.
    """
    found = told_list(skipped, reasons, len(report.bad), most, more)
    for kind, text in copies_of.items():
        same = [" = ".join(map(str, copies.paths)) for copies in report.copies if copies.kind == kind]
        found += told_list(text, same, len(same), most, more)
    if report.near is not None:
        pairs = [f"{one} ~ {other} ({likeness:.3f})" for one, other, likeness in report.near.pairs]
        found += told_list("held-out pictures almost like a training picture", pairs, report.near.count, most, more)
    return found


def _kind(bad: BadFile) -> str:
    """Returns the reason why a file cannot be used, without its name."""
    return " ".join(bad.reason.replace(str(bad.path), "a file").split())


def _one_of_each(report: DataReport) -> list[str]:
    """Returns the reasons why files cannot be used, in their order, but one of each kind before the second of any."""
    first = {_kind(bad): bad for bad in reversed(report.bad)}
    ahead = [bad for bad in report.bad if first[_kind(bad)] is bad]
    return [bad.reason for bad in (*ahead, *(bad for bad in report.bad if first[_kind(bad)] is not bad))]


def told_list(title: str, lines: Sequence[str], count: int, most: int, more: str) -> list[str]:
    """Returns a title with a count, and the first lines below it; nothing if the count is 0."""
    if not count:
        return []
    rest = [f"  and {count - most} more ({more})"] if count > most else []
    return ["", f"{title}: {count}", *(f"  {line}" for line in lines[:most]), *rest]
