"""What comes out of a model: one module for each task, numpy only.

A task says why given outputs are none of its own, turns outputs into predictions, judges predictions against the truth,
compares two answers, and says how its predictions are printed. Everything else (reading pictures, files, sessions,
streams, commands) is the same for all tasks and knows a task only through `Task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import ModelFileError
from zoo.tasks.classification import CLASSIFICATION
from zoo.tasks.task import Task

TASKS: dict[str, Task[Any]] = {task.name: task for task in (CLASSIFICATION,)}
"""By the name that stands in a file's card."""


def task_of(card: Mapping[str, Any]) -> Task[Any]:
    """The task that a file's card names; classification where it names none, as older files and those of others do.

    Raises:
        ModelFileError: the card names a task that this version does not know.
    """
    name = card.get("task", CLASSIFICATION.name)
    if not isinstance(name, str) or name not in TASKS:
        known = ", ".join(TASKS)
        raise ModelFileError(f"the file's card names the task {name!r}; this version knows {known}")
    return TASKS[name]


__all__ = ["TASKS", "Task", "task_of"]
