"""The figures of a detector's evaluation, as a report and as JSON, and the comparison of two detectors."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.tasks.confusion import Confusion
from zoo.tasks.evaluation import Section
from zoo.tasks.objects.average_precision import Threshold
from zoo.tasks.objects.compared import PictureFigures
from zoo.text import count_of

if TYPE_CHECKING:
    from PIL import Image


NO_OBJECT = "(none)"
"""The last name of the confusion matrix: its row is nothing there, its column is missed."""
LOST = 0.02
"""The mAP that a file of less precision may lose, where there are many objects."""
TABLE_CLASSES = 20
"""The most classes of a printed confusion matrix."""


@dataclass(frozen=True)
class DetectedClass:
    """The metrics of one class; None where the truth has no object of it."""

    label: str
    count: int
    """Number of objects of it in the truth."""
    ap: float | None
    """Average precision, the mean over the overlaps 0.50 to 0.95."""
    ap50: float | None
    use: Threshold
    """Precision and recall with the threshold in use."""


@dataclass(frozen=True)
class Evaluation:
    """The quality of a detector on pictures with labelled boxes. Figures are 0..1, and None where nothing counts."""

    ap: float | None
    """COCO's mAP: the mean average precision over the classes and the overlaps 0.50, 0.55 ... 0.95."""
    ap50: float | None
    ap75: float | None
    by_size: dict[str, float | None]
    """The mAP of the objects of `small` (below 32x32 pixels), `medium` (up to 96x96) and `large` area."""
    classes: list[DetectedClass]
    use: Threshold
    """Precision and recall with the threshold in use."""
    best: Threshold | None
    """The threshold with the best F1 score on these pictures; None if nothing is found."""
    counting_error: float
    """How many objects too many or too few of a class there are in a picture, summed over the classes; the mean."""
    confusion: Confusion
    """Objects by their class (rows) and the class that is found (columns), with `NO_OBJECT` as the last of both."""
    pictures: list[PictureFigures]
    unreadable: list[InputError]

    @property
    def score(self) -> float:
        """The figure that files are compared by: mAP; 0 if no object counts."""
        return self.ap or 0.0

    @property
    def score_name(self) -> str:
        """What the score is called."""
        return "mAP"

    @property
    def tolerance(self) -> float:
        """How much less a file of less precision may have: 2 points, more where there are fewer than 625 objects.

        Of so few, chance alone decides about as much: one standard error of a share, 0.5 / sqrt(objects).
        """
        objects = sum(one.there for one in self.pictures)
        return max(LOST, 0.5 / math.sqrt(max(1, objects)))

    def headline(self) -> str:
        """The figures in one line."""
        objects = sum(one.there for one in self.pictures)
        if not objects:
            return (
                f"{count_of(len(self.pictures), 'picture')} with 0 objects: there is no mAP, which is "
                f"taken over objects"
            )
        return (
            f"{count_of(len(self.pictures), 'picture')} with {count_of(objects, 'object')}, mAP {_share(self.ap)} "
            f"(AP50 {_share(self.ap50)}, AP75 {_share(self.ap75)})"
        )

    def sections(self, mistakes: int) -> list[Section]:
        """Returns the figures by size, class and threshold, the confusion matrix if it is readable, and the worst."""
        sizes = Section("", ("objects", "mAP"), [(name, _share(value)) for name, value in self.by_size.items()])
        rows = [
            (
                one.label,
                str(one.count),
                _share(one.ap),
                _share(one.ap50),
                _share(one.use.precision),
                _share(one.use.recall),
            )
            for one in self.classes
        ]
        columns = ("class", "objects", "AP", "AP50", "precision", "recall")
        named = [(text, one) for text, one in (("in use", self.use), ("best F1", self.best)) if one is not None]
        thresholds = [(name, f"{one.threshold:.3f}", _share(one.precision), _share(one.recall)) for name, one in named]
        found = [
            sizes,
            Section("", columns, rows),
            Section(
                f"Counts are off by {self.counting_error:.2f} objects a picture.",
                ("threshold", "at", "precision", "recall"),
                thresholds,
            ),
        ]
        (used,) = (self.confusion.counts.sum(axis=0) + self.confusion.counts.sum(axis=1)).nonzero()
        if 0 < len(used) <= TABLE_CLASSES:
            names = [self.confusion.labels[i] for i in used]
            counts = self.confusion.counts
            table = [(names[at], *(str(counts[i, j] or "") for j in used)) for at, i in enumerate(used)]
            title = f"What they are (rows), what they are taken for (columns); {NO_OBJECT}: nothing there, or missed:"
            found.append(Section(title, ("", *names), table))
        worst = self.mistaken()[:mistakes]
        if worst:
            listed = [(str(one.path), str(one.there), str(one.found), str(one.right)) for one in worst]
            found.append(Section("The worst pictures:", ("picture", "objects", "found", "right"), listed))
        return found

    def doubt(self) -> str:
        """Returns that no object is found rightly at any threshold, if there are any and that is so."""
        there = sum(one.there for one in self.pictures)
        return "" if self.ap or not there else f"none of {count_of(there, 'object')} is found where it is"

    def worst(self) -> list[PictureFigures]:
        """Returns the pictures, those with the most mistakes first."""
        return sorted(self.pictures, key=lambda one: -one.mistakes)

    def mistaken(self) -> list[PictureFigures]:
        """Returns the pictures with mistakes, those with the most first."""
        return [one for one in self.worst() if one.mistakes]

    def drawn(self, picture: Image.Image, one: PictureFigures) -> Image.Image:
        """Returns a copy of an upright picture with what is there and what is found in it, in different colours."""
        from zoo.tasks.objects.draw import drawn_beside_truth

        return drawn_beside_truth(picture, one)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "count": len(self.pictures),
            "objects": sum(one.there for one in self.pictures),
            "map": self.ap,
            "ap50": self.ap50,
            "ap75": self.ap75,
            "by_size": self.by_size,
            "classes": [asdict(one) for one in self.classes],
            "threshold": asdict(self.use),
            "best_threshold": None if self.best is None else asdict(self.best),
            "counting_error": self.counting_error,
            "confusion": {"labels": list(self.confusion.labels), "counts": self.confusion.counts.tolist()},
            "worst": [one.as_dict() for one in self.mistaken()[:20]],
            "unreadable": [str(error) for error in self.unreadable],
        }


@dataclass(frozen=True)
class Comparison:
    """A comparison of two detectors on the same pictures."""

    pictures: int
    """Number of pictures that both could read."""
    difference: float
    """The mAP of the first minus that of the second."""
    better_first: int
    """Number of pictures on which the first makes fewer mistakes, with the threshold in use."""
    better_second: int
    """Number of pictures on which the second does."""

    def section(self, names: tuple[str, str], first: Evaluation, second: Evaluation) -> Section:
        """Returns a table with a row for each file."""
        fewer = (self.better_first, self.better_second)
        rows = [
            (name, _share(one.ap), _share(one.ap50), _share(one.ap75), f"{one.counting_error:.2f}", str(better))
            for name, one, better in zip(names, (first, second), fewer, strict=True)
        ]
        return Section("", ("file", "mAP", "AP50", "AP75", "counts off by", "fewer mistakes than the other"), rows)

    def line(self) -> str:
        """The comparison in one line."""
        return f"mAP differs by {100 * self.difference:+.2f} points on {self.pictures} pictures."

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return dict(vars(self))


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compares two detectors.

    Raises:
        InputError: there is no picture that both could read.
    """
    others = {one.path: one for one in second.pictures}
    both = [(one, others[one.path]) for one in first.pictures if one.path in others]
    if not both:
        raise InputError("there is no picture that both files could read")
    return Comparison(
        pictures=len(both),
        difference=first.score - second.score,
        better_first=sum(one.mistakes < other.mistakes for one, other in both),
        better_second=sum(one.mistakes > other.mistakes for one, other in both),
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
