"""The interface through which a training reports its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zoo.training.stages import Stage

if TYPE_CHECKING:
    from zoo.data import Report as DataFacts

Row = dict[str, Any]


def describe_row(row: Row) -> str:
    """Returns a row of the history as a line of text: losses as numbers, metrics in percent."""

    def figures(names: list[str]) -> str:
        return "  ".join(
            f"{name.removeprefix('val_')} {row[name]:{'.4f' if name.endswith('loss') else '.1%'}}" for name in names
        )

    measured = [name for name in row if name not in {"epoch", "stage", "seconds", "learning_rate"}]
    validation = [name for name in measured if name.startswith("val_")]
    training = [name for name in measured if name not in validation]
    judged = f"validation: {figures(validation)}" if validation else "(no files are held out)"
    return f"epoch {row['epoch']:3} ({row['stage']})  {figures(training)}  {judged}  {row['seconds']:.1f} s"


class Watch(Protocol):
    """Receives the progress of a training."""

    def data(self, report: DataFacts) -> None:
        """Is called once, before the first epoch, with what the data are; its `lines()` tell it."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Is called after each batch; all numbers count from 1."""

    def epoch(self, row: Row) -> None:
        """Is called after each epoch with its row of the history."""

    def note(self, text: str) -> None:
        """Is called with a note for the user."""


class NullWatch:
    """A `Watch` that ignores all reports."""

    def data(self, report: DataFacts) -> None:
        """Ignores the report."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Ignores the report."""

    def epoch(self, row: Row) -> None:
        """Ignores the report."""

    def note(self, text: str) -> None:
        """Ignores the note."""
