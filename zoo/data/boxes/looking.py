"""Looks at annotated pictures: what is in them, which of them are copies, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from zoo.data.groups import units_of
from zoo.data.reading import Finding, in_threads
from zoo.data.split import split_by_content
from zoo.errors import InputError
from zoo.inputs.annotations import BoxData, Tally, place
from zoo.inputs.boxes import Boxes
from zoo.inputs.examples import Labelled, LabelledData
from zoo.inputs.pictures.stored import Stored, stored
from zoo.inputs.splits import SplitName

NOTHING = ""
"""The class that pictures without objects have in the split, so that each side gets its share of them, too."""


@dataclass(frozen=True, eq=False)
class Looked:
    """An annotated picture that has been read."""

    finding: Finding
    boxes: Boxes
    """Its objects, in pixels of the upright picture; none where it cannot be used."""
    upright: tuple[int, int]


def look(data: BoxData, findings: Sequence[Finding], tally: Tally) -> list[Looked]:
    """Puts the boxes of each picture into place; one where that cannot be done cannot be used."""

    def about(row: int) -> Stored | None:
        return None if findings[row].error else stored(data.pictures[row].path)

    made = []
    shapes = in_threads(about, range(len(findings)))
    for stated, finding, shape in zip(data.pictures, findings, shapes, strict=True):
        one = Looked(finding, Boxes((), np.zeros((0, 4))), (0, 0))
        if shape is not None:
            try:
                one = Looked(finding, place(stated, shape, tally), shape.upright)
            except InputError as error:
                one = replace(one, finding=replace(finding, error=str(error)))
        made.append(one)
    return made


def listed_by_objects(data: BoxData, looked: Sequence[Looked]) -> LabelledData:
    """Returns the pictures with what is in them as their class: copies with other boxes are right in none of them."""
    keys = [_key(one) for one in looked]
    examples = (Labelled(one.path, key, one.split) for one, key in zip(data.pictures, keys, strict=True))
    return LabelledData(data.root, tuple(examples), tuple(sorted(set(keys))))


def _key(one: Looked) -> str:
    """Returns the objects of a picture as text, to a hundredth of its sides: the same for copies of another size."""
    shares = one.boxes.boxes / np.tile(np.maximum(one.upright, 1), 2)
    return "; ".join(sorted(f"{label} {np.round(box, 2)}" for label, box in zip(one.boxes.labels, shares, strict=True)))


def hold_out(
    splits: list[SplitName | None],
    looked: Sequence[Looked],
    groups: Sequence[str | None],
    validation: float,
    seed: int,
) -> None:
    """Moves the share of training pictures to validation. A picture counts for each class that it shows."""
    rows = [row for row, split in enumerate(splits) if split == "train"]
    found = [looked[row].finding for row in rows]
    units = units_of([one.content for one in found], [one.seen for one in found], [groups[row] for row in rows])
    numbers: dict[str, int] = {}
    shown = [
        (at, numbers.setdefault(label, len(numbers)))
        for at, row in enumerate(rows)
        for label in sorted(set(looked[row].boxes.labels)) or [NOTHING]
    ]
    chosen = split_by_content(
        [found[at].content for at, _ in shown],
        [label for _, label in shown],
        validation,
        seed,
        [units[at] for at, _ in shown],
    )
    for (at, _), split in zip(shown, chosen, strict=True):
        splits[rows[at]] = split
