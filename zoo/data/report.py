"""Reports on data as values: what all of them have in common, and the report on files by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from zoo.data.store import Place
from zoo.inputs.seen import Contents
from zoo.inputs.splits import SplitName


class Report(Protocol):
    """A report on the data of a training, before it begins."""

    @property
    def path(self) -> Path:
        """The path that the user gave."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in their order."""

    @property
    def found(self) -> int:
        """Number of all files that were found, good and bad."""

    @property
    def used(self) -> int:
        """Number of the files that are used, in all splits."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Reasons why training is impossible."""

    @property
    def contents(self) -> Contents:
        """SHA-256 of the bytes of each listed file, and its split, for `zoo.inputs.seen`."""

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns columns and rows of the counts of classes and splits; trainings leave the last column out."""

    def lines(self) -> list[str]:
        """Returns the report in lines, as a training prints it before it begins."""

    def without_names(self) -> list[str]:
        """Returns what it says in sentences that name no file and no place, for pages that are given away."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Copies:
    """Files with the same content: the same bytes, or the same pixels as the model sees them."""

    kind: Literal["class", "classes", "splits"]
    """`class`: all copies are in one class and are used, on one side of the split. `classes`: the copies have several
    classes, so that no label is surely right, and none is used. `splits`: the copies are in several splits of one
    class, and only those in the first of test, validation and training are used."""
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class NearCopies:
    """Held-out pictures that look almost like a training picture; see `zoo.data.near`."""

    count: int
    """Number of such held-out pictures."""
    compared: int
    """Number of held-out pictures that were compared with all training pictures."""
    pairs: tuple[tuple[Path, Path, float], ...]
    """The held-out picture, the training picture and their likeness, up to 1; the most alike first."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "count": self.count,
            "compared": self.compared,
            "pairs": [
                {"held_out": str(one), "training": str(other), "likeness": round(likeness, 4)}
                for one, other, likeness in self.pairs
            ],
        }


def oddities(bad: Sequence[BadFile], copies: Sequence[Copies], near: NearCopies | None) -> dict[str, Any]:
    """Returns what any report says of files that are not used, of copies and of near copies, as JSON can hold it."""
    return {
        "bad": [{"path": str(one.path), "reason": one.reason} for one in bad],
        "copies": [{"kind": one.kind, "paths": [str(path) for path in one.paths]} for one in copies],
        "near_copies": None if near is None else near.as_dict(),
    }


@dataclass(frozen=True)
class DataReport:
    """The report that `zoo data check` prints, and that describes the data of a training."""

    path: Path
    class_names: tuple[str, ...]
    counts: dict[SplitName, tuple[int, ...]]
    """Numbers of the files that are used, by split and class."""
    found: int
    """Number of all files that were found, good and bad."""
    split_by: str
    """A description of how validation files were chosen."""
    bad: tuple[BadFile, ...]
    copies: tuple[Copies, ...]
    sizes: dict[str, tuple[int, int]]
    """Width and height of the stored pictures: the `smallest`, `median` and `largest` by area."""
    modes: dict[str, int]
    """Number of stored pictures by their mode, as Pillow names it."""
    place: Place
    """Where decoded examples are kept."""
    notes: tuple[str, ...] = ()
    """Notes for the user."""
    problems: tuple[str, ...] = ()
    """Reasons why training is impossible."""
    contents: tuple[tuple[str, SplitName | None], ...] = ()
    """SHA-256 of the bytes of each listed file, and its split, for `zoo.inputs.seen`."""
    near: NearCopies | None = None
    """Near copies across the split; None where the files are no pictures or nothing is held out."""

    @property
    def used(self) -> int:
        """Number of the files that are used, in all splits."""
        return sum(map(sum, self.counts.values()))

    @property
    def imbalance(self) -> float:
        """Size of the largest training class divided by that of the smallest."""
        train = self.counts["train"]
        return max(train) / min(train) if min(train) else float("inf")

    @property
    def class_weights(self) -> dict[int, float]:
        """Weights for `fit(class_weight=...)` that make every class count the same: `total / (classes * count)`."""
        train = self.counts["train"]
        return {i: sum(train) / (len(train) * count) for i, count in enumerate(train) if count}

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns columns and rows of the counts, see `zoo.data.report.Report`."""
        from zoo.data import telling

        return telling.count_rows(self)

    def lines(self) -> list[str]:
        """Returns the report as a training prints it, see `zoo.data.report.Report`."""
        from zoo.data import telling

        return telling.lines(self)

    def without_names(self) -> list[str]:
        """Returns the report without names of files, see `zoo.data.report.Report`."""
        from zoo.data import telling

        return telling.without_names(self)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "path": str(self.path),
            "found": self.found,
            "used": self.used,
            "split_by": self.split_by,
            "classes": [
                {"name": name, "files": {split: counts[i] for split, counts in self.counts.items()}}
                | {"weight": self.class_weights.get(i)}
                for i, name in enumerate(self.class_names)
            ],
            "imbalance": self.imbalance if min(self.counts["train"]) else None,
            **oddities(self.bad, self.copies, self.near),
            "sizes": {name: list(size) for name, size in self.sizes.items()},
            "modes": self.modes,
            "cache": {
                "kind": self.place.kind,
                "bytes": self.place.size,
                "why": self.place.why,
                "folder": str(self.place.folder) if self.place.folder else None,
            },
            "notes": list(self.notes),
            "problems": list(self.problems),
        }
