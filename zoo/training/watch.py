"""The callbacks that report the progress of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
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


class Silent:
    """A `Watch` that does nothing."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Does nothing."""

    def epoch(self, row: Row) -> None:
        """Does nothing."""

    def note(self, text: str) -> None:
        """Does nothing."""
