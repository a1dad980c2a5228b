"""The interface between the code for all models and the code for one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from zoo.inputs.pictures.fit import Fit
    from zoo.inputs.preprocessing import Resize
    from zoo.tasks.evaluation import Comparison, Judge
    from zoo.tasks.scores import Scores
    from zoo.tflite.modelfile import ModelFile
    from zoo.tflite.writing.tags import OutputTag

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

Found = TypeVar("Found")
"""One prediction of a task: a dataclass with at least `label`, `index` and `score`, whose fields JSON can hold."""


class Agreement(NamedTuple):
    """How well two answers to the same inputs agree."""

    share: float
    """Share of inputs on which both answers are the same, 0..1; an export must reach a minimum."""
    meaning: str
    """What that share counts, as the rest of a sentence: `names the same class as Keras`."""
    figures: dict[str, float]
    """Further shares by name, for tables and JSON."""
    doubt: str = ""
    """What the reference says of all inputs alike, where that leaves the share nothing to show: `the same class`."""


class Task(Protocol[Found]):
    """The purpose of a model. A task has no state, so that one object serves all models."""

    @property
    def name(self) -> str:
        """The name in cards and in tables."""

    @property
    def noun(self) -> str:
        """What a model of this task is called: `classifier`."""

    @property
    def verb(self) -> str:
        """What a model of this task does, as the last part of its address in the API: `classify`."""

    @property
    def action(self) -> str:
        """What a model of this task does with a picture, as a sentence: `Names a picture.`."""

    @property
    def has_confusion(self) -> bool:
        """Whether evaluations of this task have a confusion matrix."""

    @property
    def output_tags(self) -> tuple[OutputTag, ...]:
        """The metadata of the outputs, in their order."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a CSV table of predictions, after `file` and `rank`."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of each field of a prediction, by the field's name."""

    def fault(self, shapes: Sequence[Shape]) -> str:
        """Returns why outputs of these shapes (with batch) do not fit this task (`no classifier: ...`), or nothing."""

    def classes(self, shapes: Sequence[Shape]) -> int:
        """The number of classes of a model with outputs of these shapes, where `fault` finds none."""

    def decode(
        self, outputs: Sequence[Array], labels: tuple[str, ...], fit: Fit | None, limit: int | None
    ) -> list[Found]:
        """Turns the outputs for one picture into predictions, best first.

        Args:
            outputs: one float32 array for each output, with a batch axis of 1.
            labels: the names of the classes.
            fit: how the picture was resized to the model's input; None for inputs that are no pictures.
            limit: the largest number of predictions; None for all.
        """

    def judge(self, labels: tuple[str, ...]) -> Judge[Found]:
        """A new judge of predictions with these class names."""

    def compare(self, first: Any, second: Any) -> Comparison:
        """Compares two evaluations of the same pictures.

        Raises:
            InputError: they cannot be compared.
        """

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array]) -> Agreement:
        """Returns how well outputs agree with the reference's; the first axis of the arrays is the inputs."""

    def cells(self, found: Found) -> tuple[object, ...]:
        """The values of one prediction, in the order of `columns`."""

    def lines(self, found: Sequence[Found]) -> list[str]:
        """The predictions for one picture as lines of text."""

    def brief(self, found: Sequence[Found]) -> str:
        """The predictions for one picture in part of a line."""


@runtime_checkable
class Graded(Protocol):
    """A task that measures how far two answers are apart, finer than `Task.agreement`; a task need not be one."""

    def divergence(self, reference: Sequence[Array], outputs: Sequence[Array]) -> float:
        """Returns the Kullback-Leibler divergence of outputs from the reference's, in nats, on average over the inputs.

        The first axis of the arrays is the inputs.
        """


@runtime_checkable
class FileAware(Protocol):
    """A task that takes more of a file into account than the shapes of its outputs; a task need not be one."""

    def recognizes(self, file: ModelFile) -> bool:
        """Whether a file whose card names no task is one for this task; one that no task recognizes is a classifier."""

    def for_file(self, card: Mapping[str, Any], file: ModelFile) -> Any:
        """Returns the task as this file has it: what its outputs mean, by its card, operations and metadata."""

    @property
    def scores(self) -> Scores:
        """What the scores are: probabilities, or other numbers."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What is known of the outputs besides classes and scores: texts by what they are about."""

    @property
    def note(self) -> str:
        """What a user should know of the outputs, as the rest of a sentence about the file; empty if nothing."""


@runtime_checkable
class Selective(Protocol):
    """A task that can say that it is not sure; a task need not be one."""

    @property
    def min_score(self) -> float | None:
        """The least score of an answer; None for any."""

    def with_min_score(self, min_score: float) -> Any:
        """Returns the task with a least score of an answer.

        Raises:
            OptionError: the score is not allowed.
        """


class Stored(NamedTuple):
    """One output as the file stores it, for one picture; real value = scale * (stored - zero_point)."""

    values: Array
    """With a batch axis of 1."""
    scale: float = 0.0
    """0 if the values are the real ones."""
    zero_point: int = 0

    def real(self, values: Array) -> Array:
        """Returns the real values, float32, of some of the stored ones."""
        found = values.astype(np.float32)
        return (found - self.zero_point) * np.float32(self.scale) if self.scale else found

    def least(self, real: float) -> float:
        """Returns the number that a stored value reaches where its real value reaches `real`."""
        return real / self.scale + self.zero_point if self.scale else real


@runtime_checkable
class StoredReader(Protocol[Found]):
    """A task that reads outputs as the file stores them, and makes real numbers only of those that it needs."""

    @property
    def resize(self) -> Resize:
        """How pictures are resized for a file that does not say it."""

    @property
    def threshold(self) -> float:
        """The least score of what is found, 0..1."""

    @property
    def iou(self) -> float:
        """The overlap of two boxes of one class above which the one with the lower score is left out, 0..1."""

    @property
    def truth(self) -> Literal["boxes"]:
        """What has to be known of a picture to judge predictions for it."""

    def fitted_labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Returns a file's labels as this task counts its classes: without one of the background."""

    def decode_stored(
        self, outputs: Sequence[Stored], labels: tuple[str, ...], fit: Fit | None, limit: int | None
    ) -> list[Found]:
        """Turns the stored outputs for one picture into predictions, best first; else as `Task.decode`.

        Raises:
            AnswerError: a value that counts is not a finite number.
        """

    def narrowed(
        self,
        labels: tuple[str, ...],
        *,
        threshold: float | None = None,
        iou: float | None = None,
        only: Sequence[str] = (),
    ) -> Any:
        """Returns the task with other limits to what it finds; None and nothing keep those it has.

        Raises:
            InputError: a limit is out of range, or a name is none of the labels.
        """

    def for_judging(self) -> Any:
        """Returns the task with which a file is judged: one that leaves out nothing that counts."""

    def draw(self, picture: Image.Image, found: Sequence[Found]) -> Image.Image:
        """Returns a copy of an upright picture with the predictions drawn into it."""

    def crops(self, picture: Image.Image, found: Sequence[Found]) -> list[Image.Image]:
        """Returns the part of an upright picture that each prediction is about."""
