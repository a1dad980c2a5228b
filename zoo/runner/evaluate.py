"""Evaluates a `.tflite` file on labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import AnswerError, InputError, listed
from zoo.inputs.examples import hint_of_alike
from zoo.progress import SILENT, Progress
from zoo.runner.predictor import Predictor
from zoo.tasks.evaluation import Truth
from zoo.tasks.task import StoredReader, Task
from zoo.text import count_of


def evaluate(
    predictor: Predictor[Any],
    data: Sequence[Truth],
    *,
    only: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Any:
    """Runs a file on all pictures, and evaluates its predictions by its task.

    Args:
        predictor: the file.
        data: labelled pictures, see `zoo.runner.truth.find_truth`: of a classifier `zoo.inputs.examples.Labelled`, of a
            detector `zoo.tasks.objects.judge.PictureBoxes`. Labels are matched with those of the file by name.
        only: the classes by which a detector is judged, where the data have labels for some only; by default all.
        progress: is told how many pictures are done.

    Returns:
        The task's evaluation, such as `zoo.tasks.accuracy.Evaluation`.

    Raises:
        InputError: a label is not a class of the file, or is the name of several, or no picture could be read.
        AnswerError: the file gives no answer to a picture, or the same to all; then there is no accuracy.
    """
    labels = predictor.labels
    unknown = sorted({name for item in data for name in item.names} - set(labels))
    if unknown:
        known = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise InputError(
            f"{unknown[0]!r} is none of the classes of {predictor.session.path} ({known}); "
            f"name the folders as the file's labels{hint_of_alike(unknown[0], labels)}"
        )
    doubled = sorted({name for item in data for name in item.names if labels.count(name) > 1})
    if doubled:
        places = listed(i for i, label in enumerate(labels) if label == doubled[0])
        raise InputError(
            f"{doubled[0]!r} is the name of several classes of {predictor.session.path}: {places}; give --labels with "
            "a name of its own for each"
        )
    task: Task[Any] = predictor.task
    judge = task.judge(labels)
    unreadable: list[InputError] = []
    if isinstance(task, StoredReader):
        task = task.narrowed(labels, threshold=None, iou=None, only=only).for_judging()
    results = predictor.predict_many((item.path for item in data), task=task)
    for done, (item, result) in enumerate(zip(data, results, strict=True), start=1):
        progress.step(f"evaluating {predictor.session.path.name}", done, len(data))
        if isinstance(result.error, InputError):
            unreadable.append(result.error)
        elif result.error is not None:
            raise result.error
        else:
            judge.add(item, result.predictions)
    if len(unreadable) == len(data):
        raise InputError(f"none of the {count_of(len(data), 'picture')} can be read; the first: {unreadable[0]}")
    try:
        return judge.evaluation(unreadable)
    except AnswerError as error:
        raise AnswerError(str(error).replace("the file", str(predictor.session.path), 1)) from error
