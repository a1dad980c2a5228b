"""A teacher: a trained model whose answers another one learns as well as the labels (distillation).

The teacher is given the pictures that the model is given, augmented as they are, in its own input size, and answers as
it does when it is used: with the statistics of its batch normalization, and without dropout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Data
from zoo.errors import InputError, OptionError
from zoo.files.reading import is_endless, read_list
from zoo.inputs.preprocessing import is_picture
from zoo.training.recipe import Recipe
from zoo.training.records.folder import LABELS
from zoo.training.tasks import Objective, Teachable, Teaching, TrainingTask
from zoo.weights import is_untrained, load_model
from zoo.weights.fetch.download import file_hash

if TYPE_CHECKING:
    import keras

FIELDS = ("teacher_weight", "temperature")
"""The fields of a recipe that only a training with a teacher uses."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """A teacher's model, as its file has it."""

    path: Path
    sha256: str
    """The SHA-256 of the file, in hexadecimal."""
    model: keras.Model
    labels: tuple[str, ...]
    """The names of its classes in their order; empty if neither the model nor a file beside it says them."""

    def facts(self) -> dict[str, Any]:
        """Returns the facts that a run holds; `begin_run` keeps the path apart from the rest."""
        return {"path": str(self.path.absolute()), "sha256": self.sha256}


def hash_of(path: Path) -> str:
    """Returns the SHA-256 of a teacher's file, in hexadecimal.

    Raises:
        InputError: there is no such file, or it is none.
    """
    if path.is_dir():
        inside = path / "model.keras"
        raise InputError(f"--teacher {path} is a folder; give a model's file" + f": {inside}" * inside.exists())
    try:
        if is_endless(path):
            raise InputError(f"the teacher {path} is no file but a named pipe or a device; give a model's file")
        return file_hash(path, "sha256")
    except OSError as error:
        raise InputError(f"the teacher {path} cannot be read: {error.strerror or error}") from error


def read_teacher(path: Path, *, sha256: str = "") -> Teacher:
    """Reads a teacher from its file.

    Args:
        path: a `.keras` or `.h5` file, which may be a stranger's, see `zoo.weights.load_model`.
        sha256: the hash that the file must have, in hexadecimal; empty if any will do.

    Raises:
        InputError: the file is missing or another than it was, or its weights are random.
        UnsafeFileError, WeightsError: it holds no model, or one that could run code.
    """
    found = hash_of(path)
    if sha256 and found != sha256:
        raise InputError(
            f"the teacher {path} is another file than the run was begun with (SHA-256 {found[:12]}, not "
            f"{sha256[:12]}); put that one back, or train again into another folder"
        )
    model = load_model(path)
    if is_untrained(model):
        raise InputError(f"the teacher {path} has random weights, and nothing to teach; train it first")
    model.trainable = False
    return Teacher(path, found, model, _labels(model, path))


def _labels(model: keras.Model, path: Path) -> tuple[str, ...]:
    """Returns the names of a model's classes: those that it carries, or of the list beside it that a run has."""
    from zoo.models.detectors.anchored import labels_of

    own, beside = labels_of(model), path.parent / LABELS
    if own or not beside.is_file():
        return own
    return tuple(read_list(beside, "the labels").splitlines())


def check(teacher: Teacher, task: TrainingTask, data: Data) -> list[str]:
    """Checks that a teacher knows the classes of the data, in their order.

    Returns:
        Notes for the user.

    Raises:
        OptionError: it does not, or models cannot learn from a teacher in this task.
    """
    if not isinstance(task, Teachable):
        raise OptionError(f"--teacher is not for the task {task.name}, which has no loss for a teacher's answers")
    name, classes = teacher.path.name, tuple(data.class_names)
    if teacher.labels and teacher.labels != classes:
        raise OptionError(f"the teacher {teacher.path} {_difference(teacher.labels, classes)}")
    inputs = len(getattr(teacher.model, "inputs", None) or ())
    if inputs != 1:
        raise OptionError(f"the teacher {teacher.path} has {inputs or 'no known'} inputs; give a model with one")
    task.check(teacher.model, data)
    shape = "x".join(str(size or "any") for size in teacher.model.input_shape[1:])
    notes = [f"the teacher {name} has {teacher.model.count_params():,} parameters and sees each picture as {shape}"]
    if not teacher.labels:
        notes.append(
            f"the teacher {name} does not say its classes (there is no {LABELS} beside it); they are taken to be in "
            "the order of the data"
        )
    return notes


def _difference(taught: tuple[str, ...], classes: tuple[str, ...]) -> str:
    """Says how the classes of a teacher differ from those of the data."""
    if sorted(taught) == sorted(classes):
        at = next(i for i, (one, other) in enumerate(zip(taught, classes, strict=True)) if one != other)
        return (
            f"has its classes in another order than the data (number {at} is {taught[at]!r}, not {classes[at]!r}); "
            "give one that was trained on folders of the same names"
        )
    missing = [name for name in classes if name not in taught]
    more = [name for name in taught if name not in classes]
    lacks = f"does not know {', '.join(map(repr, missing[:5]))}" if missing else ""
    knows = f"knows {', '.join(map(repr, more[:5]))} besides" if more else ""
    return f"{' and '.join(filter(None, (lacks, knows)))}; give one that was trained on the classes of the data"


def teaching(
    teacher: keras.Model, model: keras.Model, task: TrainingTask, objective: Objective, recipe: Recipe
) -> Teaching:
    """Returns what a teacher adds to an objective.

    Args:
        teacher: the teacher's model, replicated as the model is.
        model: the model that learns.
        task: the task of both.
        objective: the objective of the training on labels.
        recipe: the recipe, with `temperature` and `teacher_weight`.

    Raises:
        OptionError: the teacher's inputs or outputs are not those of the model.
    """
    if not isinstance(task, Teachable):
        raise OptionError(f"--teacher is not for the task {task.name}, which has no loss for a teacher's answers")
    prepare = _prepared(tuple(teacher.input_shape), tuple(model.input_shape), teacher.name)

    def answers(examples: Any) -> Any:
        import keras
        import tensorflow as tf

        found = teacher(prepare(examples), training=False)
        return keras.tree.map_structure(lambda part: tf.stop_gradient(tf.cast(part, tf.float32)), found)

    return Teaching(answers, task.imitation(model, teacher, objective, recipe.temperature), recipe.teacher_weight)


def _prepared(taught: tuple[Any, ...], own: tuple[Any, ...], name: str) -> Callable[[Any], Any]:
    """Returns what makes a model's examples those of a teacher, from the shapes of their inputs with the batch."""
    import tensorflow as tf

    if taught[0] is not None:
        raise OptionError(
            f"the teacher {name} takes batches of {taught[0]}; give one that takes any number of pictures"
        )
    wanted, given = (tuple(shape[1:]) for shape in (taught, own))
    if not is_picture(given):
        if wanted != given:
            raise OptionError(f"the teacher {name} takes {wanted}, the model {given}; give one that takes the same")
        return lambda examples: tf.cast(examples, tf.float32)
    if len(wanted) != 3 or (wanted[2] != given[2] and (given[2], wanted[2]) != (1, 3)):
        raise OptionError(
            f"the teacher {name} takes {wanted}, the model {given}; pictures are resized for it, and gray ones made "
            "RGB, but no other change is made"
        )
    size = tuple(asked or there for asked, there in zip(wanted[:2], given[:2], strict=True))

    def prepare(examples: Any) -> Any:
        pictures = tf.cast(examples, tf.float32)
        if size != given[:2]:
            # With antialiasing, as the runner's reading of pictures has it where they become smaller.
            pictures = tf.image.resize(pictures, size, antialias=True)
        return tf.repeat(pictures, 3, axis=-1) if wanted[2] != given[2] else pictures

    return prepare


def require_teacher(path: str | Path | None, values: dict[str, Any]) -> None:
    """Refuses values that only a training with a teacher uses, where there is none.

    Args:
        path: the teacher's file; None for a training without one.
        values: the fields of a recipe that were asked for one by one. A recipe's file has all of them.

    Raises:
        OptionError: there is such a value.
    """
    given = [name for name in FIELDS if values.get(name) is not None]
    if path is None and given:
        raise OptionError(
            f"{given[0]}={values[given[0]]!r} is for a training with a teacher; give --teacher MODEL.keras"
        )
