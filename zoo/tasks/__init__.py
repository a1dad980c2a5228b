"""The tasks of models, one module for each, with numpy only.

A task explains why given outputs do not belong to it, turns outputs into predictions, judges predictions against the
truth, compares two answers, and defines how its predictions are printed. Everything else (reading pictures, files,
sessions, streams, commands) is the same for all tasks and knows a task only through `Task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import ModelFileError
from zoo.tasks.classification import CLASSIFICATION
from zoo.tasks.task import Task

TASKS: dict[str, Task[Any]] = {task.name: task for task in (CLASSIFICATION,)}
"""The known tasks, by their names in cards."""


def task_of(card: Mapping[str, Any]) -> Task[Any]:
    """Returns the task that a file's card names; classification if it names none, as in older and foreign files.

    Raises:
        ModelFileError: the card names a task that this version does not know.
    """
    name = card.get("task", CLASSIFICATION.name)
    if not isinstance(name, str) or name not in TASKS:
        known = ", ".join(TASKS)
        raise ModelFileError(f"the file's card names the task {name!r}; this version knows {known}")
    return TASKS[name]


__all__ = ["TASKS", "Task", "task_of"]
