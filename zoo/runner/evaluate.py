"""Evaluates a `.tflite` file on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zoo.errors import InputError
from zoo.inputs.examples import Labelled, hint_of_alike
from zoo.runner.predictor import Predictor


def evaluate(
    predictor: Predictor[Any],
    data: Sequence[Labelled],
    *,
    progress: Callable[[], None] = lambda: None,
) -> Any:
    """Runs a file on all pictures, and evaluates its predictions by its task.

    Args:
        predictor: the file.
        data: labelled pictures, see `find_labelled`; labels are matched with those of the file by name.
        progress: called after each picture.

    Returns:
        The task's evaluation, such as `zoo.tasks.classification.Evaluation`.

    Raises:
        InputError: a label is not a class of the file, or no picture could be read.
    """
    labels = predictor.labels
    unknown = sorted({name for item in data for name in item.names} - set(labels))
    if unknown:
        known = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise InputError(
            f"{unknown[0]!r} is none of the classes of {predictor.session.path} ({known}); "
            f"name the folders as the file's labels{hint_of_alike(unknown[0], labels)}"
        )
    judge = predictor.task.judge(labels)
    unreadable = []
    results = predictor.predict_many(item.path for item in data)
    for item, result in zip(data, results, strict=True):
        progress()
        if result.error is not None:
            unreadable.append(result.error)
        else:
            judge.add(item, result.predictions)
    if len(unreadable) == len(data):
        raise InputError(f"none of the {len(data)} pictures can be read; the first: {unreadable[0]}")
    return judge.evaluation(unreadable)
