"""Draws on a terminal how far a job is. It is imported only where there is a terminal, because it imports rich."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Live
from rich.text import Text

from zoo.progress import Progress, amount
from zoo.text import shown

REDRAWN = 20
"""Number of times that a steady line is drawn during a step, at most."""


class Bar(BarColumn):
    """A bar for steps whose parts are counted, and nothing for others."""

    def render(self, task: Task) -> Text:  # type: ignore[override]  # rich shows whatever it can render
        """See rich."""
        return super().render(task) if task.total else Text()  # type: ignore[return-value]


class Drawn:
    """A `Progress` that is drawn as one line of a terminal."""

    def __init__(self, live: Live, task: TaskID, *, steady: bool) -> None:
        self._live, self._task, self._steady = live, task, steady

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Changes the line."""
        if self._steady and done % max(1, total // REDRAWN):
            return
        task = self._live.tasks[self._task]
        numbers = amount(done, total, unit)
        if done and not total and task.speed:
            numbers += f", {task.speed:.1f} a second"
        self._live.update(
            self._task,
            description=shown(text),
            completed=done,
            total=total or None,
            numbers=numbers,
            refresh=self._steady,
        )


@contextlib.contextmanager
def drawn(text: str, *, steady: bool, keep: bool) -> Iterator[Progress]:
    """Draws a line on standard error; see `zoo.cli.output.status`.

    The line is written to a copy of the terminal's descriptor, so that it is shown while the output of native code is
    suppressed. Nothing is redirected: else the output of Python's loggers would reach the terminal all the same.
    """
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        Bar(),
        TextColumn("{task.fields[numbers]}", markup=False),
        TimeElapsedColumn(),
    ]
    with os.fdopen(os.dup(2), "w") as terminal:
        live = Live(
            *(columns if steady else [SpinnerColumn(), *columns]),
            console=Console(file=terminal, force_terminal=True),
            auto_refresh=not steady,
            transient=not keep,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live:
            yield Drawn(live, live.add_task(shown(text), total=None, numbers=""), steady=steady)
