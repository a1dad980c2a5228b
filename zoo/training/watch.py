"""The interface through which a training reports its progress."""

from __future__ import annotations

from typing import Any, Protocol

from zoo.training.stages import Stage

Row = dict[str, Any]


class Watch(Protocol):
    """Receives the progress of a training."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Is called after each batch; all numbers count from 1."""

    def epoch(self, row: Row) -> None:
        """Is called after each epoch with its row of the history."""

    def note(self, text: str) -> None:
        """Is called with a note for the user."""


class NullWatch:
    """A `Watch` that ignores all reports."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Ignores the report."""

    def epoch(self, row: Row) -> None:
        """Ignores the report."""

    def note(self, text: str) -> None:
        """Ignores the note."""
