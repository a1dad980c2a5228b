"""Decides which labelled files are used and for what, and reports on them before a training."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.data.groups import groups_of, units_of
from zoo.data.near import near_copies
from zoo.data.notes import (
    NOTHING_HELD_OUT,
    on_few,
    on_groups,
    on_missing,
    on_near_copies,
    on_shares,
    on_unread,
    unfit_name,
)
from zoo.data.reading import Finding
from zoo.data.report import BadFile, Copies, DataReport, NearCopies
from zoo.data.split import split_by_content
from zoo.data.store import Place
from zoo.errors import OptionError
from zoo.inputs.labelled import SPLITS, LabelledData, SplitName
from zoo.specs import check_seed
from zoo.text import count_of, first_hidden

MIN_DISTINCT = 2
"""Smallest number of files of a class: one for training and one for validation."""
PAIRS_KEPT = 100
"""The most pairs of near copies that a report lists."""


@dataclass
class Assignment:
    """Where each file goes, and what was found on the way."""

    splits: list[SplitName | None] = field(default_factory=list)
    bad: list[BadFile] = field(default_factory=list)
    copies: list[Copies] = field(default_factory=list)


def assign(
    data: LabelledData,
    findings: Sequence[Finding],
    place: Place,
    validation: float = 0.2,
    seed: int = 0,
    group_by: str = "",
) -> tuple[list[SplitName | None], DataReport]:
    """Assigns each file to a split, or None if it is not used, and reports on the data.

    Args:
        data: the labelled files.
        findings: the result of reading each file.
        place: where examples are kept, for the report.
        validation: the share of training files held out if the data have no validation files, in [0, 1).
        seed: the random seed of that choice.
        group_by: a regular expression that finds in a file's path the group of files that stay on one side of the
            split; see `zoo.data.groups`.

    Raises:
        OptionError: `validation` is no share, the seed is none, or `group_by` is no regular expression that matches.
    """
    check_seed(seed)
    if not 0 <= validation < 1:
        raise OptionError(f"validation={validation!r} is not a share: give a number of at least 0 and below 1")
    groups = groups_of(data, group_by)
    made = leave_out(data, findings)
    split_by = "as given by the data"
    given = any(example.split == "validation" for example in data.examples)
    if not given and validation == 0:
        split_by = "no validation, as asked for"
    elif not given:
        split_by = f"{validation:.0%} of each class for validation, by content, seed {seed}"
        rows, indices = [row for row, split in enumerate(made.splits) if split == "train"], data.label_indices
        contents = [findings[row].content for row in rows]
        units = units_of(contents, [findings[row].seen for row in rows], [groups[row] for row in rows])
        chosen = split_by_content(contents, [indices[row] for row in rows], validation, seed, units)
        for row, split in zip(rows, chosen, strict=True):
            made.splits[row] = split
    least = 1 if given or validation == 0 else MIN_DISTINCT
    if any(groups) and not given and validation:
        split_by += f", {count_of(len(set(groups) - {None}), 'group')} kept together"
    notes = [*data.notes, *on_unread([(bad.path, bad.reason) for bad in made.bad]), *on_groups(groups, made.splits)]
    report = _report(data, findings, made, place, split_by, least)
    if not report.problems:
        notes += [*on_few(report.class_names, report.counts), *on_missing(report.class_names, report.counts)]
        notes += on_shares(report.class_names, report.counts, validation) if least == MIN_DISTINCT else []
    notes += on_near_copies(report.near)
    return made.splits, replace(report, notes=(*notes, *report.notes))


def leave_out(data: LabelledData, findings: Sequence[Finding]) -> Assignment:
    """Leaves out files that are bad, have several labels, or are in two splits; the others keep the split they have."""
    made = Assignment([example.split or "train" for example in data.examples])
    same: dict[str, list[int]] = {}
    for row, (example, finding) in enumerate(zip(data.examples, findings, strict=True)):
        if finding.error:
            made.bad.append(BadFile(example.path, finding.error))
            made.splits[row] = None
        else:
            same.setdefault(finding.seen or finding.content, []).append(row)
    for rows in same.values():
        if len(rows) == 1:
            continue
        paths = tuple(data.examples[row].path for row in rows)
        given = {made.splits[row] for row in rows}
        if len({data.examples[row].label for row in rows}) > 1:
            made.copies.append(Copies("classes", paths))
            keep: SplitName | None = None
        elif len(given) > 1:
            made.copies.append(Copies("splits", paths))
            keep = next(split for split in reversed(SPLITS) if split in given)
        else:
            made.copies.append(Copies("class", paths))
            continue
        for row in rows:
            if made.splits[row] != keep:
                made.splits[row] = None
    return made


def _report(
    data: LabelledData, findings: Sequence[Finding], made: Assignment, place: Place, split_by: str, least: int
) -> DataReport:
    """Makes the report of the data.

    `least` is the number of different files that a class needs; files that are held out for validation count, too.
    """
    classes = range(len(data.class_names))
    used: Counter[tuple[SplitName, int]] = Counter()
    contents: dict[int, set[str]] = {i: set() for i in classes}
    for index, finding, split in zip(data.label_indices, findings, made.splits, strict=True):
        if split:
            used[split, index] += 1
            if split == "train" or (split == "validation" and least == MIN_DISTINCT):
                contents[index].add(finding.seen or finding.content)
    counts = {split: tuple(used[split, i] for i in classes) for split in SPLITS}
    listed = Counter(example.label for example in data.for_training())
    labels = {example.path: example.label for example in data.examples}
    problems = [unfit_name(name, hidden) for name in data.class_names if (hidden := first_hidden(name))]
    notes = []
    for i, name in enumerate(data.class_names):
        if len(contents[i]) < least:
            needs = "two different ones, one for training and one for validation" if least > 1 else "one"
            unread = next((bad.reason for bad in made.bad if labels[bad.path] == name), None)
            problems.append(
                f"class {name} has {count_of(len(contents[i]), 'usable file')} of {listed[name]} to "
                f"train on and needs at least "
                f"{needs}: add some, or take the class away" + (f". Not usable: {unread}" if unread else "")
            )
    if least == MIN_DISTINCT and not problems and not any(counts["validation"]):
        problems.append(NOTHING_HELD_OUT)
    if least == 1 and not any(counts["validation"]) and any(e.split == "validation" for e in data.examples):
        notes.append("no validation file can be used: training goes without validation")
    sizes = sorted((f.size for f in findings if f.size and not f.error), key=lambda size: (size[0] * size[1], size))
    return DataReport(
        path=data.root,
        class_names=data.class_names,
        counts=counts,
        found=len(data.examples),
        split_by=split_by,
        bad=tuple(made.bad),
        copies=tuple(made.copies),
        sizes={"smallest": sizes[0], "median": statistics.median_low(sizes), "largest": sizes[-1]} if sizes else {},
        modes=dict(Counter(f.mode for f in findings if f.mode and not f.error).most_common()),
        place=place,
        notes=tuple(notes),
        problems=tuple(problems),
        contents=tuple((finding.content, split) for finding, split in zip(findings, made.splits, strict=True)),
        near=near_copies_of(data, findings, made.splits),
    )


def near_copies_of(
    data: LabelledData, findings: Sequence[Finding], splits: Sequence[SplitName | None]
) -> NearCopies | None:
    """Returns the held-out pictures that look almost like a training picture; None if no two were compared."""
    sides: dict[bool, tuple[list[Path], list[Any]]] = {True: ([], []), False: ([], [])}
    for example, finding, split in zip(data.examples, findings, splits, strict=True):
        if split and finding.thumbnail is not None:
            paths, prints = sides[split == "train"]
            paths.append(example.path)
            prints.append(finding.thumbnail)
    (training, theirs), (held_out, prints) = sides[True], sides[False]
    found, compared = near_copies(theirs, prints)
    if not compared:
        return None
    pairs = tuple((held_out[near.held_out], training[near.training], near.likeness) for near in found[:PAIRS_KEPT])
    return NearCopies(len(found), compared, pairs)
