"""The one interface through which downloads, reading, exports, trainings and measurements tell how far they are.

Standard library only. The commands draw it on a terminal, see `zoo.cli.output.status`; `Lines` turns it into lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

BYTES = "bytes"
"""The unit of downloads; it is shown in units of 1,000,000."""


class Progress(Protocol):
    """Receives how far a job is. It is called from the job's own thread, and between measurements only."""

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Is called when a step begins, and again as it goes on.

        Args:
            text: the name of the step, such as `reading pictures`.
            done: the number of parts that are done.
            total: the number of all parts; 0 if it is not known, or if nothing is counted.
            unit: the unit of both numbers: `BYTES`, or nothing for parts.
        """


class Silent:
    """A `Progress` that does nothing."""

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Does nothing."""


SILENT: Progress = Silent()
"""The default wherever a progress can be given."""


class Lines:
    """A `Progress` that hands each step to a function as a line of text: `zoo.build(..., progress=Lines(print))`."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Writes the step with its numbers, if there are any."""
        self._write(" ".join(filter(None, (text, amount(done, total, unit)))))


def amount(done: int, total: int, unit: str = "") -> str:
    """Returns how much of a step is done, in words: `3/7`, `1.20 of 4.00 MB`; empty if nothing is counted."""
    if unit == BYTES:
        whole = f" of {total / 1e6:.2f}" if total else ""
        return f"{done / 1e6:.2f}{whole} MB"
    if total:
        return f"{done}/{total}"
    return f"{done}" if done else ""
