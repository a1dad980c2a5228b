"""Classification: the task of finding which known class a picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.tasks.scores import Scores, shown_score
from zoo.tasks.task import Agreement, Array, Shape
from zoo.tflite.scores import are_probabilities
from zoo.tflite.tags import OutputTag

if TYPE_CHECKING:
    from zoo.inputs.fit import Fit
    from zoo.tasks.accuracy import ClassificationJudge, Comparison, Evaluation
    from zoo.tflite.modelfile import ModelFile

SHAPES_SHOWN = 10
"""The most outputs that an error message lists."""


@dataclass(frozen=True)
class Prediction:
    """One class with the model's score for it."""

    label: str
    index: int
    score: float
    """Score of the class: a probability, 0..1, or another number, see `Classification.scores`."""


@dataclass(frozen=True)
class Classification:
    """The task of finding the one class that a picture belongs to."""

    name: str = "classification"
    noun: str = "classifier"
    verb: str = "classify"
    action: str = "Names a picture."
    has_confusion: bool = True
    columns: tuple[str, ...] = ("label", "index", "score")
    output_tags: tuple[OutputTag, ...] = (OutputTag("scores", "one a class", has_labels=True),)
    scores: Scores = "probabilities"
    """What the scores of the file are; they are shown in percent only if they are probabilities."""

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
        return replace(self, scores="probabilities" if known else "numbers")

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
        """The number of classes: the length of the output's last axis."""
        return shapes[0][-1]

    def decode(
        self,
        outputs: Sequence[Array],
        labels: tuple[str, ...],
        fit: Fit | None = None,
        limit: int | None = None,
    ) -> list[Prediction]:
        """The classes by their scores, best first; equal scores in the order of the labels."""
        scores = np.asarray(outputs[0][0]).reshape(-1)
        best = np.argsort(-scores, kind="stable")[:limit]
        return [Prediction(labels[i], int(i), float(scores[i])) for i in best]

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
        """Top-1 and top-5 agreement: the reference's best class is the best, or among the best five, of the outputs."""
        best = reference[0].argmax(axis=1)
        best_five = np.argsort(-outputs[0], axis=1, kind="stable")[:, :5]
        top1 = float((outputs[0].argmax(axis=1) == best).mean())
        top5 = float((best_five == best[:, np.newaxis]).any(axis=1).mean())
        return Agreement(top1, "names the same class as Keras", {"top1": top1, "top5": top5})

    def cells(self, found: Prediction) -> tuple[object, ...]:
        """The values of one prediction, in the order of `columns`."""
        return found.label, found.index, found.score

    def lines(self, found: Sequence[Prediction]) -> list[str]:
        """Returns a line for each class."""
        return [f"{shown_score(one.score, self.scores):>7}  {one.label}" for one in found]

    def brief(self, found: Sequence[Prediction]) -> str:
        """Returns names and scores as part of a line."""
        return ", ".join(f"{one.label} {shown_score(one.score, self.scores, 0)}" for one in found)


CLASSIFICATION = Classification()
