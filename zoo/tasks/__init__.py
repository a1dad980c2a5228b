"""The tasks of models, one module for each, with numpy only.

A task explains why given outputs do not belong to it, turns outputs into predictions, judges predictions against the
truth, compares two answers, and defines how its predictions are printed. Everything else (reading pictures, files,
sessions, streams, commands) is the same for all tasks and knows a task only through `Task`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ModelFileError, OptionError
from zoo.tasks.classification import CLASSIFICATION
from zoo.tasks.scores import Scores
from zoo.tasks.task import FileAware, Selective, StoredReader, Task

if TYPE_CHECKING:
    from zoo.tflite.modelfile import ModelFile


class _Tasks(MutableMapping[str, Task[Any]]):
    """Tasks by name. That of detectors is imported when it is asked for, because a classifier starts faster without."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[Any] | None] = {CLASSIFICATION.name: CLASSIFICATION, "detection": None}

    def __getitem__(self, name: str) -> Task[Any]:
        task = self._tasks[name]
        if task is None:
            from zoo.tasks.detection import DETECTION

            task = self._tasks[name] = DETECTION
        return task

    def __setitem__(self, name: str, task: Task[Any]) -> None:
        self._tasks[name] = task

    def __delitem__(self, name: str) -> None:
        del self._tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


TASKS: MutableMapping[str, Task[Any]] = _Tasks()
"""The known tasks, by their names in cards."""

DEFAULT: Task[Any] = CLASSIFICATION
"""The task of files whose card names none and that no task recognizes, and of exports for which none is given."""


def task_of(card: Mapping[str, Any], path: str | Path, file: ModelFile | None = None) -> Task[Any]:
    """Returns the task that a file's card names; `DEFAULT` if it names none.

    A file without a card, made by another tool, is one for the task that recognizes it.

    Args:
        card: the card.
        path: the file, for the error.
        file: the structure of the file; None to go by the card alone.

    Raises:
        ModelFileError: the card names a task that this version does not know.
    """
    if not card and file is not None:
        aware = (task for task in TASKS.values() if isinstance(task, FileAware))
        return next((task for task in aware if task.recognizes(file)), DEFAULT)
    name = card.get("task", DEFAULT.name)
    if not isinstance(name, str) or name not in TASKS:
        known = ", ".join(TASKS)
        raise ModelFileError(f"the card of {path} names the task {name!r}; this version knows {known}")
    return TASKS[name]


def known_of(task: Task[Any], card: Mapping[str, Any], file: ModelFile) -> Task[Any]:
    """Returns a task as a file has it, see `zoo.tasks.task.FileAware`.

    Raises:
        ModelFileError: the file's metadata is damaged.
    """
    found: Task[Any] = task.for_file(card, file) if isinstance(task, FileAware) else task
    return found


def facts_of(task: Task[Any]) -> Mapping[str, str]:
    """Returns what is known of a file's outputs besides classes and scores: texts by what they are about."""
    return task.facts if isinstance(task, FileAware) else {}


def note_of(task: Task[Any], path: Path) -> str:
    """Returns what a user should know of a file's outputs, in one line; empty if there is nothing to say."""
    return f"{path} {task.note}" if isinstance(task, FileAware) and task.note else ""


def scores_of(task: Task[Any]) -> Scores:
    """Returns what the scores of a task in a file are; probabilities if the task says nothing of it."""
    return task.scores if isinstance(task, FileAware) else "probabilities"


def selective(task: Task[Any], min_score: float, path: Path) -> Task[Any]:
    """Returns a task that says that it is not sure below a score, see `zoo.tasks.task.Selective`.

    Raises:
        OptionError: the task cannot say so, or the score is not allowed.
    """
    if not isinstance(task, Selective):
        raise OptionError(f"{path} is for {task.name}, which has no least score of an answer; leave it out")
    found: Task[Any] = task.with_min_score(min_score)
    return found


def min_score_of(task: Task[Any]) -> float | None:
    """Returns the least score of a task's answers; None for any."""
    return task.min_score if isinstance(task, Selective) else None


def threshold_of(task: Task[Any]) -> float | None:
    """Returns the least score of what a task finds in a picture; None for a task that finds no objects."""
    return task.threshold if isinstance(task, StoredReader) else None


def truth_of(task: Task[Any]) -> str:
    """Returns what has to be known of pictures to judge a task: their `classes`, or the `boxes` in them."""
    return task.truth if isinstance(task, StoredReader) else "classes"


_DATA = {"classes": ("your pictures", "PICTURES"), "boxes": ("your labelled boxes", "BOXES")}


def data_of(task: Task[Any]) -> tuple[str, str]:
    """Returns what a task learns from and is judged by, in words, and what stands for it in a command line."""
    return _DATA[truth_of(task)]


__all__ = [
    "DEFAULT",
    "TASKS",
    "Task",
    "data_of",
    "facts_of",
    "known_of",
    "min_score_of",
    "note_of",
    "scores_of",
    "selective",
    "task_of",
    "threshold_of",
    "truth_of",
]
