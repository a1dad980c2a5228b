"""The seam between what all models have in common and what one task means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy.typing as npt

from zoo.errors import InputError

if TYPE_CHECKING:
    from zoo.inputs.fit import Fit
    from zoo.tflite.tags import OutputTag

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

Found = TypeVar("Found")
Judged_contra = TypeVar("Judged_contra", contravariant=True)
"""One prediction of a task, a dataclass with at least `label`, `index` and `score`."""


@dataclass(frozen=True)
class Agreement:
    """How well two answers to the same inputs agree."""

    share: float
    """Share of inputs on which both say the same, 0..1; what an export is held to."""
    meaning: str
    """What that share counts, as the rest of a sentence: `names the same class as Keras`."""
    figures: dict[str, float]
    """Further shares by name, for tables and JSON."""


@dataclass(frozen=True)
class Section:
    """A table of a printed report."""

    title: str
    """A line above the table; empty for none."""
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: tuple[str, ...] = ()
    """Columns that are aligned to the left, besides the first."""


class Truth(Protocol):
    """A picture with what is known to be in it."""

    @property
    def path(self) -> Path:
        """The file of the picture."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes that are in it."""


class Evaluation(Protocol):
    """What a file is worth on labelled pictures."""

    @property
    def score(self) -> float:
        """The one figure to compare files by, 0..1."""

    @property
    def unreadable(self) -> list[InputError]:
        """Why pictures could not be read, one error each."""

    def headline(self) -> str:
        """The figures in one line."""

    def sections(self, mistakes: int) -> list[Section]:
        """The tables of a report, with at most so many mistakes listed."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""


class Judge(Protocol[Judged_contra]):
    """Collects predictions and the truth, one picture at a time."""

    def add(self, truth: Any, found: Sequence[Judged_contra]) -> None:
        """Takes one picture.

        Args:
            truth: what is in it.
            found: all predictions for it, best first.
        """

    def evaluation(self, unreadable: list[InputError]) -> Any:
        """The figures of all pictures taken so far."""


class Task(Protocol[Found]):
    """What a model is for. A task has no state: one object serves all models."""

    @property
    def name(self) -> str:
        """The name in cards and in tables."""

    @property
    def noun(self) -> str:
        """What a model of this task is called: `classifier`."""

    @property
    def output_tags(self) -> tuple[OutputTag, ...]:
        """What a file's metadata says of the outputs, in their order."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a CSV table of predictions, after `file` and `rank`."""

    def fault(self, shapes: Sequence[Shape]) -> str:
        """Why outputs of these shapes, batch included, are none of this task (`no classifier: ...`); else empty."""

    def classes(self, shapes: Sequence[Shape]) -> int:
        """The number of classes of a model with outputs of these shapes, where `fault` finds none."""

    def decode(
        self, outputs: Sequence[Array], labels: tuple[str, ...], fit: Fit | None, limit: int | None
    ) -> list[Found]:
        """Turns the outputs for one picture into predictions, best first.

        Args:
            outputs: one float32 array for each output, with a batch axis of 1.
            labels: the names of the classes.
            fit: how the picture came to the model's size; None for inputs that are no pictures.
            limit: how many predictions at most; None for all.
        """

    def judge(self, labels: tuple[str, ...]) -> Judge[Found]:
        """A new judge of predictions with these class names."""

    def compare(self, first: Any, second: Any) -> Any:
        """Holds two evaluations of the same pictures against each other."""

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array]) -> Agreement:
        """How well outputs agree with the reference's; arrays have the batch of all inputs in front."""

    def cells(self, found: Found) -> tuple[object, ...]:
        """The values of one prediction, in the order of `columns`."""

    def lines(self, found: Sequence[Found]) -> list[str]:
        """The predictions for one picture as lines of text."""

    def brief(self, found: Sequence[Found]) -> str:
        """The predictions for one picture in part of a line."""
