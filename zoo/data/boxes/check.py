"""Reads all pictures of a data set of boxes, splits them by content, and reports on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.boxes.covered import Covered, covered_at
from zoo.data.boxes.looking import Looked, hold_out, listed_by_objects, look
from zoo.data.boxes.notes import on_anchors, on_objects, on_small
from zoo.data.boxes.report import BoxReport
from zoo.data.boxes.sizes import Sizes, in_input, sizes_at
from zoo.data.check import leave_out, near_copies_of
from zoo.data.groups import groups_of
from zoo.data.loading import make_reader
from zoo.data.notes import NOTHING_HELD_OUT, on_groups, on_near_copies, on_unread, unfit_name
from zoo.data.reading import Array, Reader, read_all
from zoo.errors import OptionError
from zoo.inputs.annotations import BoxData, Tally, find_boxes
from zoo.inputs.boxes import Boxes
from zoo.inputs.examples import notes_on_names
from zoo.inputs.preprocessing import Resize
from zoo.inputs.splits import SPLITS, SplitName
from zoo.progress import SILENT, Progress
from zoo.specs import check_seed
from zoo.text import first_hidden


def check_boxes(
    path: str | Path,
    input_shape: tuple[int, ...] = (320, 320, 3),
    *,
    validation: float = 0.2,
    seed: int = 0,
    group_by: str = "",
    resize: Resize = "stretch",
    progress: Progress = SILENT,
) -> BoxReport:
    """Reads all annotations and pictures of a data set of boxes, and says what is there and what is odd about it.

    Args:
        path: a folder or file that `zoo.inputs.annotations.find_boxes` reads.
        input_shape: height, width and channels of the model's input, in which the sizes of boxes are told.
        validation: the share of pictures held out if the data have none for validation, in [0, 1).
        seed: the random seed of that choice.
        group_by: a regular expression that finds in a picture's path the group of pictures that stay on one side of the
            split; see `zoo.data.groups`.
        resize: the resize policy; detectors take the whole picture, stretched.
        progress: is told how many pictures have been read.

    Raises:
        InputError: there are no annotations. What is wrong with those that are there stands in the report.
        OptionError: a value that is not allowed.
    """
    reader = make_reader(input_shape, resize)
    choices: dict[str, Any] = {"validation": validation, "seed": seed, "group_by": group_by}
    return read_boxes(path, reader, **choices, progress=progress).report


@dataclass(frozen=True, eq=False)
class ReadBoxes:
    """A data set of boxes whose pictures have been read."""

    data: BoxData
    pictures: tuple[Looked, ...]
    """What was read of each of the annotated pictures."""
    report: BoxReport


def read_boxes(
    path: str | Path,
    reader: Reader,
    *,
    validation: float,
    seed: int,
    group_by: str,
    store: Callable[[int], Array | None] = lambda count: None,
    progress: Progress = SILENT,
) -> ReadBoxes:
    """Reads all pictures of a data set of boxes and splits them: for `zoo data check` and for trainings alike.

    Args:
        path: as in `check_boxes`.
        reader: reads a picture as the model sees it.
        validation: as in `check_boxes`.
        seed: as in `check_boxes`.
        group_by: as in `check_boxes`.
        store: returns where the pixels of so many pictures are kept, `(count, *reader.shape)`; None to keep none.
        progress: as in `check_boxes`.

    Raises:
        InputError, OptionError: as in `check_boxes`.
    """
    check_seed(seed)
    if not 0 <= validation < 1:
        raise OptionError(f"validation={validation!r} is not a share: give a number of at least 0 and below 1")
    if not reader.takes_pictures:
        raise OptionError(f"boxes are in pictures, not in windows of shape {reader.shape}")
    data = find_boxes(path)
    findings = read_all([one.path for one in data.pictures], reader, store(len(data.pictures)), progress)
    tally = Tally(data.remarks)
    looked = look(data, findings, tally)
    listed = listed_by_objects(data, looked)
    groups = groups_of(listed, group_by)
    made = leave_out(listed, [one.finding for one in looked])
    split_by = "as given by the data"
    if not any(one.split == "validation" for one in data.pictures):
        split_by = "no validation, as asked for"
        if validation:
            split_by = f"{validation:.0%} of the pictures of each class for validation, by content, seed {seed}"
            hold_out(made.splits, looked, groups, validation, seed)
    grouped_away = validation > 0 and any(groups) and not ({"validation"} & set(made.splits))
    near = near_copies_of(listed, [one.finding for one in looked], made.splits)
    notes = [*data.notes, *on_unread([(bad.path, bad.reason) for bad in made.bad]), *on_groups(groups, made.splits)]
    notes += [*notes_on_names(data.class_names), *on_near_copies(near)]
    used = [(one, split) for one, split in zip(looked, made.splits, strict=True) if split]
    measured = _measured(used, (reader.shape[1], reader.shape[0]), reader.preprocessing.resize)
    report = replace(
        _report(data, used, split_by, tally, measured, notes),
        path=Path(path),
        bad=tuple(made.bad),
        copies=tuple(made.copies),
        near=near,
        splits=tuple(made.splits),
        contents=tuple((one.finding.content, split) for one, split in zip(looked, made.splits, strict=True)),
    )
    if grouped_away and not report.problems:
        report = replace(report, problems=(NOTHING_HELD_OUT,))
    return ReadBoxes(data, tuple(looked), report)


def _report(
    data: BoxData,
    used: Sequence[tuple[Looked, SplitName]],
    split_by: str,
    tally: Tally,
    measured: tuple[Sizes, Covered],
    notes: Sequence[str],
) -> BoxReport:
    """Counts the pictures that are used, and their objects."""
    objects = {
        split: _counted(data.class_names, [one.boxes for one, theirs in used if theirs == split]) for split in SPLITS
    }
    return BoxReport(
        path=data.root,
        format=data.format,
        class_names=data.class_names,
        pictures={split: sum(theirs == split for _, theirs in used) for split in SPLITS},
        without_objects={
            split: sum(theirs == split and not len(one.boxes) for one, theirs in used) for split in SPLITS
        },
        objects=objects,
        pictures_of=_counted(data.class_names, [one.boxes for one, _ in used], each=False),
        found=len(data.pictures),
        split_by=split_by,
        remarks=tally.remarks(),
        sizes=measured[0],
        anchors=measured[1],
        notes=(*notes, *on_objects(data.class_names, objects), *on_small(measured[0]), *on_anchors(measured[1])),
        problems=tuple(_problems(data, objects, len(used))),
    )


def _measured(used: Sequence[tuple[Looked, SplitName]], size: tuple[int, int], resize: Resize) -> tuple[Sizes, Covered]:
    """Returns how large the objects are in the model's input, and how many of them anchors cover."""
    boxes = in_input([(one.boxes, one.upright) for one, _ in used], size, resize)
    names = [label for one, _ in used for label in one.boxes.labels]
    to_train = np.array([split == "train" for one, split in used for _ in one.boxes.labels], bool)
    return sizes_at(boxes, names, size), covered_at(boxes, to_train, size)


def _counted(names: Sequence[str], boxes: Sequence[Boxes], *, each: bool = True) -> tuple[int, ...]:
    """Returns the number of objects of each class; unless `each` counts, the number of pictures with one."""
    counts = Counter(label for one in boxes for label in (one.labels if each else set(one.labels)))
    return tuple(counts[name] for name in names)


def _problems(data: BoxData, objects: dict[SplitName, tuple[int, ...]], used: int) -> Iterator[str]:
    """Yields the reasons why nothing can be learned from the data."""
    for name in data.class_names:
        if hidden := first_hidden(name):
            yield unfit_name(name, hidden)
    if not used:
        yield f"no picture of {data.root} can be used, of {len(data.pictures)} that are annotated"
    elif not sum(objects["train"]):
        yield f"the pictures of {data.root} to train on have no objects: annotate some"
