"""What is told while a training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from zoo.training.stages import Stage

Row = dict[str, Any]


class Watch(Protocol):
    """Is told how a training goes."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """After each batch; all counted from 1."""

    def epoch(self, row: Row) -> None:
        """After each epoch: its row of the history."""

    def note(self, text: str) -> None:
        """What the user should know."""


class Silent:
    """A `Watch` that does nothing."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, row: Row) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
