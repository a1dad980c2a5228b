"""A report on data as lines of text, for a terminal, a training's log and the page of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.inputs.splits import SPLITS, SplitName

if TYPE_CHECKING:
    from zoo.data.check import DataReport

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


def notes(report: DataReport) -> list[str]:
    """Returns the notes of a report in lines, each a sentence that begins with `note: `."""
    return [f"note: {note}" for note in report.notes]


def lists(report: DataReport, most: int = SHOWN, *, more: str = "--json lists all") -> list[str]:
    """Returns the lists of a report in lines: files that are not used, copies, near copies; an empty line before each.

    Args:
        report: the report.
        most: the most entries of each list.
        more: where the rest of a list is to be found.
    """
    found = told_list("cannot be read and is skipped", [bad.reason for bad in report.bad], len(report.bad), most, more)
    for kind, text in _COPIES.items():
        same = [" = ".join(map(str, copies.paths)) for copies in report.copies if copies.kind == kind]
        found += told_list(text, same, len(same), most, more)
    if report.near is not None:
        pairs = [f"{one} ~ {other} ({likeness:.3f})" for one, other, likeness in report.near.pairs]
        found += told_list("held-out pictures almost like a training picture", pairs, report.near.count, most, more)
    return found


def told_list(title: str, lines: Sequence[str], count: int, most: int, more: str) -> list[str]:
    """Returns a title with a count, and the first lines below it; nothing if the count is 0."""
    if not count:
        return []
    rest = [f"  and {count - most} more ({more})"] if count > most else []
    return ["", f"{title}: {count}", *(f"  {line}" for line in lines[:most]), *rest]
