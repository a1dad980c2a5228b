"""The names of a file's classes: whether its outputs are those of its task, and its labels fit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ModelFileError
from zoo.runner.loading.session import Session, TensorInfo
from zoo.tasks import Task
from zoo.tasks.task import StoredReader
from zoo.tflite import teachable
from zoo.tflite.card import Description
from zoo.tflite.labels import fault as fault_of_labels
from zoo.tflite.labels import read as read_labels


def labels_for(
    session: Session, task: Task[Any], description: Description, given: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """Returns the names of the classes, and a note for each thing that a user should know of them.

    Labels of a foreign file's own that do not fit are not used, and are a note; so are those beside a file of Teachable
    Machine.

    Args:
        session: the loaded file.
        task: its task, as the file has it.
        description: the file's own labels and card.
        given: labels that replace the file's own; None for the file's own.

    Raises:
        ModelFileError: the outputs are not the task's, or the labels do not fit them.
        InputError: the labels beside the file cannot be read.
    """
    own = given is None
    labels = description.labels if given is None else tuple(given)
    notes = [f"{session.path}: {note}" for note in description.notes] if own else []
    path, shapes = session.path, [output.shape for output in session.outputs]
    beside = None
    if own and not labels and not description.card and teachable.is_its_file(session.file):
        beside = teachable.labels_beside(path)
        labels = tuple(read_labels(beside)) if beside else ()
    _require_outputs(session, task)
    if isinstance(task, StoredReader):
        labels = task.fitted_labels(labels)
    classes = task.classes(shapes)
    fault = fault_of_labels(classes, labels) if labels else ""
    if fault and (not own or description.card):
        raise ModelFileError(f"{path} has {fault}")
    if fault:
        notes.append(f"{path}: its labels are not used, because it has {fault}")
        labels = ()
    elif beside is not None:
        notes.append(teachable.said_of_labels(path, beside))
    if len(set(labels)) < len(labels):
        twice = next(label for number, label in enumerate(labels) if label in labels[:number])
        notes.append(f"{path}: several of its classes have one name, such as {twice!r}")
    return labels or tuple(f"class_{i}" for i in range(classes)), notes


def _require_outputs(session: Session, task: Task[Any]) -> None:
    path = session.path
    as_it_is = f"In Python, zoo.runner.load({str(path)!r}).run(array) runs it as it is"
    fault = task.fault([output.shape for output in session.outputs])
    if fault:
        raise ModelFileError(f"{path} is {fault}. {as_it_is}")
    if isinstance(task, StoredReader):
        return
    for output in session.outputs:
        if not _is_score(output):
            raise ModelFileError(
                f"{path} gives {output.name!r} of type {output.dtype.name}, which is no score of each class. {as_it_is}"
            )


def _is_score(output: TensorInfo) -> bool:
    """Whether an output can hold scores: numbers, but not the number of the best class alone."""
    if output.dtype.kind not in "fiu":
        return False
    return output.dtype.kind == "f" or bool(output.scale) or output.shape[-1:] != (1,)
