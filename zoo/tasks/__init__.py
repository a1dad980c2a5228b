"""The tasks of models, one module for each, with numpy only.

A task explains why given outputs do not belong to it, turns outputs into predictions, judges predictions against the
truth, compares two answers, and defines how its predictions are printed. Everything else (reading pictures, files,
sessions, streams, commands) is the same for all tasks and knows a task only through `Task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ModelFileError
from zoo.tasks.classification import CLASSIFICATION
from zoo.tasks.task import Task

TASKS: dict[str, Task[Any]] = {task.name: task for task in (CLASSIFICATION,)}
"""The known tasks, by their names in cards."""

DEFAULT: Task[Any] = CLASSIFICATION
"""The task of cards that name none, as in older and foreign files, and of exports for which none is given."""


def task_of(card: Mapping[str, Any], path: str | Path) -> Task[Any]:
    """Returns the task that a file's card names; `DEFAULT` if it names none.

    Args:
        card: the card.
        path: the file, for the error.

    Raises:
        ModelFileError: the card names a task that this version does not know.
    """
    name = card.get("task", DEFAULT.name)
    if not isinstance(name, str) or name not in TASKS:
        known = ", ".join(TASKS)
        raise ModelFileError(f"the card of {path} names the task {name!r}; this version knows {known}")
    return TASKS[name]


__all__ = ["DEFAULT", "TASKS", "Task", "task_of"]
