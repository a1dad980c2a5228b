"""The report on a data set of boxes, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.data.boxes import telling
from zoo.data.boxes.covered import Covered
from zoo.data.boxes.sizes import Sizes
from zoo.data.report import BadFile, Copies, NearCopies, oddities
from zoo.inputs.annotations import Remark
from zoo.inputs.splits import SPLITS, SplitName


@dataclass(frozen=True, eq=False)
class BoxReport:
    """The report that `zoo data check` prints on a data set of boxes."""

    path: Path
    format: str
    """The format of the annotations."""
    class_names: tuple[str, ...]
    pictures: dict[SplitName, int]
    """Pictures used, by split."""
    without_objects: dict[SplitName, int]
    """Pictures among them that have no objects."""
    objects: dict[SplitName, tuple[int, ...]]
    """Objects by split and class."""
    pictures_of: tuple[int, ...]
    """Pictures with objects of each class, in all splits."""
    found: int
    """Pictures that are annotated, good and bad."""
    split_by: str
    """How validation pictures were chosen, in words."""
    remarks: tuple[Remark, ...]
    """What is odd about the annotations, by kind: how many, and where the first is."""
    sizes: Sizes
    """How large the objects are in the model's input."""
    anchors: Covered
    """How many of them a detector's anchors cover there."""
    bad: tuple[BadFile, ...] = ()
    copies: tuple[Copies, ...] = ()
    near: NearCopies | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """Reasons why nothing can be learned from the data."""
    splits: tuple[SplitName | None, ...] = field(default=(), repr=False)
    """The split of each annotated picture; None for one that is not used."""
    contents: tuple[tuple[str, SplitName | None], ...] = field(default=(), repr=False)
    """SHA-256 of the bytes of each annotated picture, and its split, for `zoo.inputs.seen`."""

    @property
    def used(self) -> int:
        """Pictures used, in all splits."""
        return sum(self.pictures.values())

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns columns and rows of the counts, see `zoo.data.report.Report`."""
        return telling.count_rows(self)

    def lines(self) -> list[str]:
        """Returns the report as a training prints it, see `zoo.data.report.Report`."""
        return telling.lines(self)

    def without_names(self) -> list[str]:
        """Returns the report without names of files, see `zoo.data.report.Report`."""
        return telling.without_names(self)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "path": str(self.path),
            "task": "detection",
            "format": self.format,
            "found": self.found,
            "used": self.used,
            "split_by": self.split_by,
            "pictures": self.pictures,
            "without_objects": self.without_objects,
            "classes": [
                {"name": name, "pictures": count, "objects": {split: self.objects[split][i] for split in SPLITS}}
                for i, (name, count) in enumerate(zip(self.class_names, self.pictures_of, strict=True))
            ],
            "sizes": self.sizes.as_dict(),
            "anchors": self.anchors.as_dict(),
            "remarks": [{"kind": r.kind, "count": r.count, "first": r.first, "text": str(r)} for r in self.remarks],
            **oddities(self.bad, self.copies, self.near),
            "notes": list(self.notes),
            "problems": list(self.problems),
        }
