"""The training side of tasks, one module for each: targets, loss, metrics, head and report.

The device side of a task, which decodes outputs and needs no TensorFlow, has the same name in `zoo.tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import OptionError
from zoo.training.tasks.classification import CLASSIFICATION
from zoo.training.tasks.detection import DETECTION_TRAINING
from zoo.training.tasks.task import (
    Advising,
    Calibrating,
    Naming,
    Objective,
    Predicting,
    Report,
    Teachable,
    Teaching,
    TrainingTask,
    Tuning,
)

TASKS: dict[str, TrainingTask] = {task.name: task for task in (CLASSIFICATION, DETECTION_TRAINING)}
"""The tasks that models can be trained for, by their names in specs, recipes and cards."""


def task_of(model: Mapping[str, Any]) -> TrainingTask:
    """Returns the task that the table `model` of a run names; classification if it names none, as in older runs.

    Raises:
        OptionError: models cannot be trained for a task of this name.
    """
    return task_named(model.get("task", CLASSIFICATION.name))


def task_named(name: Any) -> TrainingTask:
    """Returns the training side of a task.

    Raises:
        OptionError: models cannot be trained for a task of this name.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise OptionError(f"the task {name!r} cannot be trained; this version knows {', '.join(TASKS)}")
    return TASKS[name]


def columns(task: TrainingTask) -> tuple[str, ...]:
    """Returns the fields of a history's rows that hold the loss and the metrics of a task, in the table's order."""
    both = ("loss", *task.metrics)
    return (*both, *(f"val_{name}" for name in (*both, *task.judged)))


def sureness(task: TrainingTask, metrics: Mapping[str, Any]) -> Sequence[str]:
    """Returns what the scores of a model are worth, in lines of text; none if its task says nothing of it."""
    return task.sureness(metrics) if isinstance(task, Advising) else ()


__all__ = [
    "CLASSIFICATION",
    "TASKS",
    "Advising",
    "Calibrating",
    "Naming",
    "Objective",
    "Predicting",
    "Report",
    "Teachable",
    "Teaching",
    "TrainingTask",
    "Tuning",
    "columns",
    "sureness",
    "task_named",
    "task_of",
]
