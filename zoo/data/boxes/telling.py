"""A report on boxes as lines of text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.data.boxes.covered import Covered
from zoo.data.boxes.sizes import LARGE, SMALL
from zoo.data.telling import SHOWN, aligned, lists_of, nameless, notes, place_of_more, used
from zoo.inputs.splits import SPLITS, SplitName
from zoo.tasks.objects.anchors import COVERED
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.data.boxes.report import BoxReport

SUMS = 3
"""Rows at the end of the table of counts that are no classes."""
_COPIES = {
    "class": "same pixels with the same boxes, used on one side of the split",
    "splits": "same pixels in several splits, used in one of them only",
    "classes": "same pixels with other boxes, not used",
}


def count_rows(report: BoxReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Returns the columns and rows of a table: objects of each class and split, pictures, and the median size."""
    splits: list[SplitName] = [split for split in SPLITS if report.pictures[split] or split == "train"]
    medians = report.sizes.medians
    rows = [
        (
            name,
            *(str(report.objects[split][i]) for split in splits),
            str(report.pictures_of[i]),
            f"{medians[name]:.0f}" if name in medians else "",
        )
        for i, name in enumerate(report.class_names)
    ]
    rows.append(("all objects", *(str(sum(report.objects[split])) for split in splits), "", ""))
    rows.append(("pictures", *(str(report.pictures[split]) for split in splits), str(report.used), ""))
    empty = report.without_objects
    rows.append(("without objects", *(str(empty[split]) for split in splits), str(sum(empty.values())), ""))
    return ("objects", *splits, "pictures", "median size"), rows


def lines(report: BoxReport, *, classes: int = 20, most: int = 5) -> list[str]:
    """Returns a report as a training prints it before it begins: counts, sizes, notes, and the beginning of each list.

    Args:
        report: the report.
        classes: the most classes whose counts are told.
        most: the most entries of each list.
    """
    more = place_of_more(report)
    return [
        f"data: {report.path}, {used(report, 'picture')}",
        *aligned(count_rows(report), classes, more, sums=SUMS),
        *summary(report),
        *notes(report),
        *oddities(report),
        *lists(report, most, more),
    ]


def without_names(report: BoxReport) -> list[str]:
    """Returns what a report says in sentences that name no file and no place, for pages that are given away."""
    odd = [one.told() for one in report.remarks]
    return [
        used(report, "picture"),
        *summary(report),
        *nameless(report, _COPIES),
        *odd,
    ]


def summary(report: BoxReport) -> list[str]:
    """Returns the format, how the data are split, and how large the objects are, in lines."""
    sizes = report.sizes
    lines = [f"format: {report.format}, {count_of(report.found, 'picture')}", f"split: {report.split_by}"]
    if sizes.count:
        least, tenth, median, ninetieth, most = sizes.quantiles
        lines += [
            f"sizes at {sizes.width}x{sizes.height}, the square root of the area in pixels: smallest {least:.0f}, "
            f"10% below {tenth:.0f}, median {median:.0f}, 10% above {ninetieth:.0f}, largest {most:.0f}",
            f"small (below {SMALL}x{SMALL}) {sizes.small}, medium {sizes.medium}, "
            f"large (from {LARGE}x{LARGE}) {sizes.large}",
            _on_anchors(report.anchors),
        ]
    return lines


def _on_anchors(covered: Covered) -> str:
    """Returns how many objects the anchors of a detector cover, in one line."""
    fitted, fine, default = (
        f"{covered.share(count):.0%}" for count in (covered.fitted, covered.fitted_fine, covered.default)
    )
    return (
        f"boxes that an anchor covers (overlap {COVERED} or more): {fitted} by fitted anchors from stride 16 "
        f"({covered.objects - covered.fitted} by none), {fine} from stride 8; {default} by the SSD paper's"
    )


def oddities(report: BoxReport) -> list[str]:
    """Returns what is odd about the annotations, one line a kind, below a title; nothing if nothing is."""
    return ["", "odd entries:", *(f"  {remark}" for remark in report.remarks)] if report.remarks else []


def lists(report: BoxReport, most: int = SHOWN, more: str = "--json lists all") -> list[str]:
    """Returns the lists of pictures that are not used, of copies and near copies; an empty line before each."""
    reasons = [bad.reason for bad in report.bad]
    return lists_of(report, "cannot be used and is skipped", reasons, _COPIES, most, more)
