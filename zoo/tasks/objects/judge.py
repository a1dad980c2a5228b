"""The judge of detectors: it compares what is found in each picture with the labelled boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zoo.errors import InputError
from zoo.inputs.boxes import Boxes
from zoo.inputs.splits import SplitName
from zoo.tasks.confusion import Confusion
from zoo.tasks.objects.average_precision import (
    SIZES,
    Matched,
    at_threshold,
    average_precisions,
    best_threshold,
    matched,
)
from zoo.tasks.objects.boxes import overlaps
from zoo.tasks.objects.compared import PictureFigures
from zoo.tasks.objects.figures import NO_OBJECT, DetectedClass, Evaluation
from zoo.tasks.task import Array

if TYPE_CHECKING:
    from zoo.tasks.objects.answer import Detection

SAME = 0.5
"""The overlap from which a box counts as that of the truth, wherever one number is needed."""


class BoxTruth(Protocol):
    """A picture with the objects that are known to be in it."""

    @property
    def path(self) -> Path:
        """The file of the picture."""

    @property
    def boxes(self) -> Boxes:
        """The objects, in pixels of the upright picture."""


@dataclass(frozen=True)
class PictureBoxes:
    """A picture's file and the objects in it."""

    path: Path
    boxes: Boxes
    split: SplitName | None = None
    """The split that the data assign it to; None if they assign none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes that are in it."""
        return tuple(sorted(set(self.boxes.labels)))


class DetectionJudge:
    """Collects detections and labelled boxes, one picture at a time."""

    def __init__(self, labels: tuple[str, ...], threshold: float) -> None:
        self._labels = labels
        self._threshold = threshold
        self._index = {label: i for i, label in enumerate(labels)}
        self._matched: dict[str, list[list[Matched]]] = {size: [[] for _ in labels] for size in SIZES}
        self._confusion = np.zeros((len(labels) + 1,) * 2, np.int64)
        self._pictures: list[PictureFigures] = []
        self._off = 0

    def add(self, truth: BoxTruth, found: Sequence[Detection]) -> None:
        """Adds one picture.

        Args:
            truth: the picture and the objects in it.
            found: everything the detector finds, also with low scores. What has no name among the labels is left out.
        """
        there = np.array([self._index[label] for label in truth.boxes.labels], np.intp)
        named = [one for one in found if one.index < len(self._labels)]
        boxes, scores, classes = _arrays(named)
        sure = scores >= self._threshold
        right, met = np.zeros(len(named), bool), np.zeros(len(there), bool)
        for index in np.union1d(there, classes):
            (mine,), (own,) = (there == index).nonzero(), (classes == index).nonzero()
            for size, limits in SIZES.items():
                one = matched(truth.boxes.boxes[mine], boxes[own], scores[own], limits)
                self._matched[size][index].append(one)
                if size == "all":
                    taking = (one.takes >= 0) & sure[own[one.rows]]
                    right[own[one.rows[taking]]], met[mine[one.takes[taking]]] = True, True
        self._pictures.append(
            PictureFigures(
                truth.path,
                truth.boxes,
                tuple(map(bool, met)),
                tuple(one for one, keep in zip(named, sure, strict=True) if keep),
                tuple(map(bool, right[sure])),
            )
        )
        self._off += _miscount(there, classes[sure])
        self._add_confusion(truth.boxes.boxes, there, boxes[sure], classes[sure])

    def _add_confusion(self, truth: Array, there: Array, boxes: Array, classes: Array) -> None:
        """Pairs boxes whatever their classes are, those that overlap most first; the rest is missed or not there."""
        shared = overlaps(truth, boxes)
        # Of two boxes at one place the one of the right class is taken.
        shared = shared + 1e-6 * (there[:, np.newaxis] == classes)
        while shared.size and shared.max() >= SAME:
            row, column = np.unravel_index(shared.argmax(), shared.shape)
            self._confusion[there[row], classes[column]] += 1
            there, classes = np.delete(there, row), np.delete(classes, column)
            shared = np.delete(np.delete(shared, row, axis=0), column, axis=1)
        self._confusion[:-1, -1] += np.bincount(there, minlength=len(self._labels))
        self._confusion[-1, :-1] += np.bincount(classes, minlength=len(self._labels))

    def evaluation(self, unreadable: list[InputError]) -> Evaluation:
        """Returns the metrics of all pictures added so far."""
        by_class = [average_precisions(one) for one in self._matched["all"]]
        known = [one for one in by_class if one is not None]
        table = np.array(known) if known else None
        every = [one for pictures in self._matched["all"] for one in pictures]
        classes = [
            DetectedClass(
                label,
                sum(one.boxes for one in pictures),
                None if precision is None else float(precision.mean()),
                None if precision is None else float(precision[0]),
                at_threshold(pictures, self._threshold),
            )
            for label, pictures, precision in zip(self._labels, self._matched["all"], by_class, strict=True)
            if pictures
        ]
        return Evaluation(
            ap=None if table is None else float(table.mean()),
            ap50=None if table is None else float(table[:, 0].mean()),
            ap75=None if table is None else float(table[:, 5].mean()),
            by_size={size: self._of_size(size) for size in SIZES if size != "all"},
            classes=classes,
            use=at_threshold(every, self._threshold),
            best=best_threshold(every),
            counting_error=self._off / max(1, len(self._pictures)),
            confusion=Confusion((*self._labels, NO_OBJECT), self._confusion),
            pictures=self._pictures,
            unreadable=unreadable,
        )

    def _of_size(self, size: str) -> float | None:
        known = [found for one in self._matched[size] if (found := average_precisions(one)) is not None]
        return float(np.mean(known)) if known else None


def _arrays(found: Sequence[Detection]) -> tuple[Array, Array, Array]:
    """Returns boxes `(n, 4)`, scores and classes of objects."""
    boxes = np.array([one.box for one in found], np.float64).reshape(-1, 4)
    scores = np.array([one.score for one in found], np.float64)
    return boxes, scores, np.array([one.index for one in found], np.intp)


def _miscount(there: Array, found: Array) -> int:
    """Returns how many objects too many or too few are found, summed over the classes."""
    first, second = Counter(there.tolist()), Counter(found.tolist())
    return sum(abs(first[index] - second[index]) for index in first.keys() | second.keys())
