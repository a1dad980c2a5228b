"""Reads the labelled pictures that files are judged by, as their task needs them, and says what of them counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import InputError, OptionError
from zoo.inputs.annotations import BoxData, Stated, Tally, find_boxes, holds_boxes, place
from zoo.inputs.boxes import Boxes
from zoo.inputs.examples import hint_of_alike
from zoo.inputs.labelled import find_labelled
from zoo.inputs.pictures.stored import stored
from zoo.runner.predictor import Predictor
from zoo.runner.unseen import Choice, choose
from zoo.tasks import truth_of
from zoo.tasks.evaluation import Truth
from zoo.tasks.objects.judge import PictureBoxes
from zoo.text import count_of, plural

SHOWN = 10
"""The most names of classes that a note lists."""


@dataclass(frozen=True)
class Labelling:
    """The pictures that files are judged by, and what a reader of the figures has to know of them."""

    pictures: tuple[Truth, ...]
    trained_on: int | None
    """How many of the data's pictures a file was trained on; None if that is not known."""
    note: str = ""
    """What is to be said of pictures that a file was trained on; empty if there is nothing."""
    notes: tuple[str, ...] = ()
    """What is odd about the data, and what is left out of them; one line each."""
    only: tuple[str, ...] = ()
    """The classes by which detectors are judged: those that the data and all files know; empty for all."""
    unusable: tuple[InputError, ...] = ()
    """One error for each picture whose labels cannot be used."""
    unknown: dict[str, int] = field(default_factory=dict)
    """How many objects of each class are left out, because a file does not know the class."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        found = {"training_pictures": self.trained_on, "note": self.note or None}
        return {**found, "judged_classes": list(self.only), "unknown_classes": self.unknown} if self.only else found


def find_truth(predictors: Sequence[Predictor[Any]], path: str | Path, *, everything: bool = False) -> Labelling:
    """Lists the pictures to judge files by: those held out, and of those the ones that no file was trained on.

    Args:
        predictors: the files, all of one task.
        path: for classifiers what `find_labelled` reads, for detectors what `zoo.inputs.annotations.find_boxes` reads.
        everything: whether pictures that a file was trained on are judged, too.

    Raises:
        OptionError: the data are of another task: classes of whole pictures for a detector, boxes for a classifier.
        InputError: there are no such data, or no class of theirs is one of the files'.
    """
    first, path = predictors[0], Path(path)
    wants_boxes = truth_of(first.task) == "boxes"
    if not wants_boxes:
        if first.takes_pictures and path.exists() and holds_boxes(path):
            raise OptionError(
                f"{first.session.path} is a {first.task.noun}, and {path} holds labelled boxes; give a folder of "
                f"pictures for each class, as in {path.name}/cat/1.jpg"
            )
        data = find_labelled(path, first.suffixes, least=1)
        data.held_out()  # it says what is wrong where there is nothing
        chosen = choose(predictors, data.examples, everything=everything)
        return Labelling(chosen.pictures, chosen.trained_on, chosen.note, data.notes)
    if path.is_dir() and not holds_boxes(path):
        raise OptionError(
            f"{first.session.path} is a {first.task.noun}, and {path} holds no labelled boxes, which say where objects "
            "are; give COCO JSON, Pascal VOC XML, YOLO text files or CSV, as zoo data check reads them"
        )
    boxes = find_boxes(path)
    return _boxes(predictors, boxes, choose(predictors, boxes.pictures, everything=everything))


def _boxes(predictors: Sequence[Predictor[Any]], data: BoxData, chosen: Choice[Stated]) -> Labelling:
    """Puts the boxes of the chosen pictures into place, and leaves out the classes that a file does not know.

    Raises:
        InputError: there are no pictures, or no class is one of the files'.
    """
    if not chosen.pictures:
        raise InputError(f"{data.root} has no annotated pictures")
    files = [(predictor.session.path, predictor.labels) for predictor in predictors]
    only = tuple(name for name in data.class_names if all(name in labels for _, labels in files))
    if not only:
        known = " and to ".join(str(path) for path, _ in files)
        raise InputError(
            f"none of the classes of {data.root} ({_listed(data.class_names)}) is known to {known} "
            f"({_listed(files[0][1])}); give --labels with the names of the data, in the file's order"
            f"{_hint(data.class_names, files)}"
        )
    tally = Tally(data.remarks)
    pictures, unusable = [], []
    unknown: Counter[str] = Counter()
    for stated in chosen.pictures:
        try:
            boxes = place(stated, stored(stated.path), tally)
        except InputError as error:
            unusable.append(error)
            continue
        unknown.update(label for label in boxes.labels if label not in only)
        pictures.append(PictureBoxes(stated.path, _of(boxes, only), stated.split))
    if not pictures:
        raise InputError(f"none of the {count_of(len(unusable), 'picture')} can be used; the first: {unusable[0]}")
    notes = [*data.notes, *map(str, tally.remarks()), *_on_classes(files, data.class_names, only, unknown)]
    return Labelling(
        tuple(pictures),
        chosen.trained_on,
        chosen.note,
        tuple(notes),
        only,
        tuple(unusable),
        dict(sorted(unknown.items())),
    )


def _on_classes(
    files: Sequence[tuple[Path, tuple[str, ...]]], names: Sequence[str], only: Sequence[str], unknown: Counter[str]
) -> list[str]:
    """Returns notes on the classes that only the data know, and on those that only a file knows."""
    notes = []
    others = [name for name in names if name not in only]
    if others:
        known = " or to ".join(str(path) for path, _ in files)
        notes.append(
            f"{count_of(len(others), 'class of the data is', 'classes of the data are')} unknown to {known}; "
            f"{plural(len(others), 'its', 'their')} {count_of(unknown.total(), 'object is', 'objects are')} left out: "
            f"{_listed(others)}{_hint(others, files)}"
        )
    for path, labels in files:
        more = [label for label in dict.fromkeys(labels) if label not in only]
        if more:
            notes.append(
                f"{path} knows {count_of(len(more), 'more class, which does', 'more classes, which do')} not count "
                f"here: {_listed(more)}"
            )
    return notes


def _of(boxes: Boxes, only: Sequence[str]) -> Boxes:
    """Returns the boxes of some classes."""
    keep = [label in only for label in boxes.labels]
    return Boxes(tuple(label for label, kept in zip(boxes.labels, keep, strict=True) if kept), boxes.boxes[keep])


def _hint(names: Sequence[str], files: Sequence[tuple[Path, tuple[str, ...]]]) -> str:
    """Returns the end of a sentence on the first name that is almost one of a file's; empty if there is none."""
    hints = (hint_of_alike(name, labels) for name in names for _, labels in files if name not in labels)
    return next(filter(None, hints), "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
