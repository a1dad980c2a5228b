"""Classification: the task of finding which known class a picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo import bounds
from zoo.errors import ModelFileError, OptionError
from zoo.tasks.scores import Scores, shown_score
from zoo.tasks.task import Array, Shape
from zoo.tflite.scores import are_probabilities

if TYPE_CHECKING:
    from zoo.inputs.pictures.fit import Fit
    from zoo.tasks.accuracy import ClassificationJudge, Comparison, Evaluation
    from zoo.tasks.agreement import Answers
    from zoo.tasks.task import Agreement
    from zoo.tflite.modelfile import ModelFile
    from zoo.tflite.writing.tags import OutputTag

ROUNDING = 0.01
"""How far a probability may be outside of 0..1 by the rounding of quantized files."""
NOT_SURE = "not sure"
"""The label of the answer that no class has the least score asked for; its index is -1."""

SHAPES_SHOWN = 10
"""The most outputs that an error message lists."""


@dataclass(frozen=True)
class Prediction:
    """One class with the model's score for it."""

    label: str
    index: int
    score: float
    """Score of the class: a probability, 0..1, or another number, see `Classification.scores`."""


class Classification(NamedTuple):
    """The task of finding the one class that a picture belongs to."""

    name: str = "classification"
    noun: str = "classifier"
    verb: str = "classify"
    action: str = "Names a picture."
    has_confusion: bool = True
    columns: tuple[str, ...] = ("label", "index", "score")
    scores: Scores = "probabilities"
    """What the scores of the file are; they are shown in percent only if they are probabilities."""
    answers: Answers = "class"
    """What the model's outputs say; it decides how two answers are compared."""
    min_score: float | None = None
    """The least score of an answer: below it, the first prediction is `NOT_SURE`. None for any."""

    @property
    def output_tags(self) -> tuple[OutputTag, ...]:
        """The metadata of the one output."""
        from zoo.tflite.writing.tags import OutputTag  # only who writes a file asks for it

        return (OutputTag("scores", "one a class", has_labels=True),)

    @property
    def facts(self) -> dict[str, str]:
        """Nothing: the outputs are scores alone."""
        return {}

    @property
    def note(self) -> str:
        """What a user should know of scores that are no probabilities."""
        if self.scores == "probabilities":
            return ""
        return "gives scores that are no probabilities, such as logits; they are shown as numbers, the largest first"

    def recognizes(self, file: ModelFile) -> bool:
        """Whether a file is a classifier: its only output has one score a class."""
        graph = file.main
        return not self.fault([graph.tensors[i].shape for i in graph.outputs])

    def for_file(self, card: Mapping[str, Any], file: ModelFile) -> Classification:
        """The task with what a file's scores are: by its card if that says logits, else by its last operations."""
        graph = file.main
        says_logits = card.get("output") == "logits"
        known = not says_logits and len(graph.outputs) == 1 and are_probabilities(graph, graph.outputs[0])
        return self._replace(scores="probabilities" if known else "numbers")

    def with_min_score(self, min_score: float) -> Classification:
        """The task that answers "not sure" below a score.

        Raises:
            OptionError: the score is no finite number, or no probability where the scores are probabilities.
        """
        if self.scores != "probabilities":
            least = bounds.number("min_score", min_score, allowed="a finite least score", error=OptionError)
        else:
            allowed = "a least score from 0 to 1, such as 0.7, because the scores are probabilities"
            least = bounds.number("min_score", min_score, 0, 1, allowed=allowed, error=OptionError)
        return self._replace(min_score=least)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the fields of `Prediction`."""
        return {"label": {"type": "string"}, "index": {"type": "integer"}, "score": {"type": "number"}}

    def fault(self, shapes: Sequence[Shape]) -> str:
        """Returns why outputs of these shapes are no classifier's. Older models end in (batch, 1, 1, classes)."""
        if len(shapes) == 1 and len(shapes[0]) >= 2 and not set(shapes[0][1:-1]) - {1}:
            return ""
        shown = ", ".join([*map(str, shapes[:SHAPES_SHOWN]), *(["..."] if len(shapes) > SHAPES_SHOWN else [])])
        return f"no classifier: its outputs are {shown}, not one (batch, classes)"

    def classes(self, shapes: Sequence[Shape]) -> int:
        """The number of classes: the length of the output's last axis, and two where that is a single score."""
        return max(2, shapes[0][-1])

    def decode(
        self,
        outputs: Sequence[Array],
        labels: tuple[str, ...],
        fit: Fit | None = None,
        limit: int | None = None,
    ) -> list[Prediction]:
        """The classes by their scores, best first; equal scores in the order of the labels.

        A single score is that of the second of two classes, as a sigmoid gives it. If the best score is below
        `min_score`, `NOT_SURE` stands first, with that score, and counts for the limit.

        Raises:
            ModelFileError: the single score is no probability.
        """
        scores = np.asarray(outputs[0][0]).reshape(-1)
        if len(scores) == 1:
            scores = _of_two(scores)
        best = np.argsort(-scores, kind="stable")[:limit]
        found = [Prediction(labels[i], int(i), float(scores[i])) for i in best]
        if self.min_score is not None and found[0].score < self.min_score:
            found = [Prediction(NOT_SURE, -1, found[0].score), *found][:limit]
        return found

    def judge(self, labels: tuple[str, ...]) -> ClassificationJudge:
        """Returns a new judge."""
        # It is imported here, because `zoo run` does not need it.
        from zoo.tasks.accuracy import ClassificationJudge

        return ClassificationJudge(labels, self.scores)

    def compare(self, first: Evaluation, second: Evaluation) -> Comparison:
        """Compares two classifiers picture by picture, by the names of their classes.

        Raises:
            InputError: there is no picture that both could read.
        """
        from zoo.tasks import accuracy

        return accuracy.compare(first, second)

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array]) -> Agreement:
        """Returns the agreement by the measure that suits the answers, see `zoo.tasks.agreement`."""
        from zoo.tasks.agreement import MEASURES  # on a board there is nothing to compare with

        first, second = (np.asarray(one[0]).reshape(len(one[0]), -1) for one in (reference, outputs))
        return MEASURES[self.answers](first, second)

    def divergence(self, reference: Sequence[Array], outputs: Sequence[Array]) -> float:
        """Returns the divergence that suits the answers, see `zoo.tasks.divergence`."""
        from zoo.tasks.divergence import OF_ANSWERS  # on a board nobody asks for it

        first, second = (np.asarray(one[0]).reshape(len(one[0]), -1) for one in (reference, outputs))
        return OF_ANSWERS[self.answers](first, second)

    def cells(self, found: Prediction) -> tuple[object, ...]:
        """The values of one prediction, in the order of `columns`."""
        return found.label, found.index, found.score

    def lines(self, found: Sequence[Prediction]) -> list[str]:
        """Returns a line for each class."""
        return [f"{self._shown(one, 2):>7}  {one.label}" for one in found]

    def brief(self, found: Sequence[Prediction]) -> str:
        """Returns names and scores as part of a line."""
        return ", ".join(f"{one.label} {self._shown(one, 0)}".rstrip() for one in found)

    def _shown(self, one: Prediction, digits: int) -> str:
        """Returns a score as text; nothing for the answer `NOT_SURE`, whose score is that of the class behind it."""
        return "" if one.index < 0 else shown_score(one.score, self.scores, digits)


def _of_two(score: Array) -> Array:
    """Returns the scores of both classes from that of the second."""
    if not -ROUNDING <= float(score[0]) <= 1 + ROUNDING:
        raise ModelFileError(
            f"the file gives a single value, {float(score[0]):g}, which is no probability, so it names no class; it "
            "may lack a sigmoid at its end, or be no classifier"
        )
    return np.concatenate([1 - score, score])


CLASSIFICATION = Classification()
