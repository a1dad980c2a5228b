"""The interface between the code for all tasks and what one task says of a file's quality on labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from zoo.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from zoo.tasks.confusion import Confusion

Judged_contra = TypeVar("Judged_contra", contravariant=True)
"""One prediction of a task, as a judge takes it."""


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
    """The quality of a file on labelled pictures."""

    @property
    def score(self) -> float:
        """The metric by which files are compared, 0..1."""

    @property
    def unreadable(self) -> list[InputError]:
        """One error for each picture that could not be read."""

    @property
    def confusion(self) -> Confusion | None:
        """The confusion matrix; None for a task without one, see `Task.has_confusion`."""

    def headline(self) -> str:
        """The figures in one line."""

    def sections(self, mistakes: int) -> list[Section]:
        """The tables of a report, with at most so many mistakes listed."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""


@runtime_checkable
class Proportional(Protocol):
    """An evaluation whose score is the share of pictures that are right; an evaluation need not be one."""

    @property
    def score(self) -> float:
        """The share, 0..1."""

    @property
    def count(self) -> int:
        """Number of pictures that were judged."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval of the share, 0..1."""

    @property
    def sureness(self) -> dict[str, Any]:
        """What the scores are worth, for the file's card; empty if they are no probabilities."""


@runtime_checkable
class Drawable(Protocol):
    """An evaluation whose mistakes can be drawn into the pictures; an evaluation need not be one."""

    def mistaken(self) -> Sequence[Any]:
        """The pictures with mistakes, the worst first; each has the `path` of its file."""

    def drawn(self, picture: Image.Image, one: Any) -> Image.Image:
        """Returns a copy of an upright picture with what is there and what is found in it."""


@runtime_checkable
class Doubtful(Protocol):
    """An evaluation that can say that a file may have learned nothing; an evaluation need not be one."""

    def doubt(self) -> str:
        """Returns what shows it, in one line; empty if nothing does."""


@runtime_checkable
class Tolerant(Protocol):
    """An evaluation that says how far below another one a score may be that counts as equal; it need not."""

    @property
    def score(self) -> float:
        """The metric by which files are compared, 0..1."""

    @property
    def score_name(self) -> str:
        """What it is called: `mAP`."""

    @property
    def tolerance(self) -> float:
        """How much less a file of less precision may have on the same pictures, 0..1."""


class Comparison(Protocol):
    """A comparison of two files on the same pictures."""

    def section(self, names: tuple[str, str], first: Any, second: Any) -> Section:
        """Returns a table with a row for each file, of the files' names and their evaluations."""

    def line(self) -> str:
        """The comparison in one line."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""


class Judge(Protocol[Judged_contra]):
    """Collects predictions and the truth, one picture at a time."""

    def add(self, truth: Any, found: Sequence[Judged_contra]) -> None:
        """Adds one picture.

        Args:
            truth: the known content of the picture.
            found: all predictions for it, best first.
        """

    def evaluation(self, unreadable: list[InputError]) -> Any:
        """Returns the metrics of all pictures added so far."""
