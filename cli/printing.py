"""What `zoo train` and `zoo prune` print while they work: a line an epoch, and a progress bar on a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import TrainingStopped
from zoo.progress import amount
from zoo.text import shown

if TYPE_CHECKING:
    from zoo.data import Report as DataFacts


@contextlib.contextmanager
def before_the_first_step() -> Iterator[None]:
    """Says of Ctrl-C that comes before a training begins what it has left; one that has begun says it itself.

    Raises:
        TrainingStopped: Ctrl-C came.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise TrainingStopped(
            "stopped before the first step, so that nothing was changed; the same command begins again"
        ) from None


@contextlib.contextmanager
def printing(silent: bool, *, detached: bool = False) -> Iterator[Printer]:
    """Yields a printer of one line per epoch, with a progress bar on a terminal.

    With `detached` it keeps printing while the standard streams are silenced.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    stream = sys.stderr if silent else sys.stdout
    own = detached or stream.isatty()
    # This is a copy of the terminal's descriptor, because native log messages are captured at the original.
    with os.fdopen(os.dup(stream.fileno()), "w") if own else contextlib.nullcontext(stream) as terminal:
        console = Console(file=terminal, force_terminal=stream.isatty(), markup=False, emoji=False, highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        progress = Progress(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not stream.isatty(),
        )
        with progress:
            yield Printer(progress, console.print if stream.isatty() else _plain(terminal))


def _plain(stream: Any) -> Callable[[str], None]:
    """Returns a function that prints a line without folding it to a width."""
    return lambda text: print(text, file=stream, flush=True)


class Printer:
    """Prints the progress of a training."""

    def __init__(self, progress: Any, line: Callable[[str], None]) -> None:
        self._progress, self._write = progress, line
        self._task = progress.add_task("", visible=False)

    def _line(self, text: str) -> None:
        self._write(shown(text))

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Shows a step, on a terminal only."""
        counted = bool(total) and not unit
        if not counted:
            text = " ".join(filter(None, (text, amount(done, total, unit))))
        size = total if counted else None
        self._progress.update(self._task, description=shown(text), completed=done, total=size, visible=True)

    def data(self, report: DataFacts) -> None:
        """Prints the facts of the data."""
        for line in report.lines():
            self._line(line)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Moves the progress bar."""
        self.step(f"epoch {epoch} ({stage.name}), loss {loss:.4f}", batch, batches)

    def epoch(self, row: dict[str, Any]) -> None:
        """Prints the metrics of an epoch in one line."""
        self._progress.reset(self._task, visible=False)
        from zoo.training.watch import describe_row

        self._line(describe_row(row))

    def note(self, text: str) -> None:
        """Prints a note in one line."""
        self._line(f"note: {text}")
