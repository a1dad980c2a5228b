"""Evaluates a `.tflite` file on labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import InputError
from zoo.inputs.labelled import Labelled
from zoo.progress import SILENT, Progress
from zoo.runner.predictor import Predictor


def evaluate(
    predictor: Predictor[Any],
    data: Sequence[Labelled],
    *,
    progress: Progress = SILENT,
) -> Any:
    """Runs a file on all pictures, and evaluates its predictions by its task.

    Args:
        predictor: the file.
        data: labelled pictures, see `find_labelled`; labels are matched with those of the file by name.
        progress: is told how many pictures are done.

    Returns:
        The task's evaluation, such as `zoo.tasks.accuracy.Evaluation`.

    Raises:
        InputError: a label is not a class of the file, or no picture could be read.
    """
    labels = predictor.labels
    unknown = sorted({name for item in data for name in item.names} - set(labels))
    if unknown:
        known = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise InputError(
            f"{unknown[0]!r} is none of the classes of {predictor.session.path} ({known}); "
            "name the folders as the file's labels"
        )
    judge = predictor.task.judge(labels)
    unreadable = []
    results = predictor.predict_many(item.path for item in data)
    for done, (item, result) in enumerate(zip(data, results, strict=True), start=1):
        progress.step(f"evaluating {predictor.session.path.name}", done, len(data))
        if result.error is not None:
            unreadable.append(result.error)
        else:
            judge.add(item, result.predictions)
    if len(unreadable) == len(data):
        raise InputError(f"none of the {len(data)} pictures can be read; the first: {unreadable[0]}")
    return judge.evaluation(unreadable)
