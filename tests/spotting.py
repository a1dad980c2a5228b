"""A task that is none of the zoo's, with two outputs, names, figures and an agreement of its own, and a model of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.inputs.pictures.fit import Fit
from zoo.tasks.evaluation import Section, Truth
from zoo.tasks.task import Agreement, Array, Shape
from zoo.tflite.writing.tags import OutputTag

LABELS = ["dot", "ring", "cross"]
SIDE = 8
"""Height and width of the model's input, in pixels."""


@dataclass(frozen=True)
class Spot:
    """One kind of spot, and where it is."""

    label: str
    index: int
    score: float
    place: tuple[float, ...]
    """The place as x and y in pixels of the photo; as the model says it, -1..1, if there is no photo."""


@dataclass
class SpotEvaluation:
    """How often the kind of a spot was right. It is its own judge."""

    right: dict[Path, bool] = field(default_factory=dict)
    unreadable: list[InputError] = field(default_factory=list)
    confusion: None = None

    def add(self, truth: Truth, found: Sequence[Spot]) -> None:
        self.right[truth.path] = truth.names == (found[0].label,)

    def evaluation(self, unreadable: list[InputError]) -> SpotEvaluation:
        self.unreadable = unreadable
        return self

    @property
    def score(self) -> float:
        return sum(self.right.values()) / len(self.right)

    def headline(self) -> str:
        return f"{self.score:.0%} of {len(self.right)} spots"

    def sections(self, mistakes: int) -> list[Section]:
        wrong = [(path.name,) for path, right in self.right.items() if not right]
        return [Section("Missed spots:", ("picture",), wrong[:mistakes])]

    def as_dict(self) -> dict[str, Any]:
        return {"spots": len(self.right), "score": self.score}


@dataclass(frozen=True)
class SpotComparison:
    """The difference of two scores."""

    difference: float

    def section(self, names: tuple[str, str], first: SpotEvaluation, second: SpotEvaluation) -> Section:
        rows = [(name, f"{one.score:.0%}") for name, one in zip(names, (first, second), strict=True)]
        return Section("", ("file", "spots"), rows)

    def line(self) -> str:
        return f"They differ by {self.difference:.0%} of the spots."

    def as_dict(self) -> dict[str, Any]:
        return {"difference": self.difference}


@dataclass(frozen=True)
class Spotting:
    """A task of two outputs: scores `(batch, kinds)`, and a place `(batch, 2)`, x and y from -1 to 1."""

    name: str = "spotting"
    noun: str = "spotter"
    verb: str = "spot"
    action: str = "Finds the spot in a picture."
    has_confusion: bool = False
    columns: tuple[str, ...] = ("label", "index", "score", "x", "y")
    output_tags: tuple[OutputTag, ...] = (
        OutputTag("kinds", "one a kind", has_labels=True),
        OutputTag("place", "down and right"),
    )

    @property
    def schema(self) -> dict[str, Any]:
        number = {"type": "number"}
        return {
            "label": {"type": "string"},
            "index": {"type": "integer"},
            "score": number,
            "place": {"type": "array", "items": number},
        }

    def fault(self, shapes: Sequence[Shape]) -> str:
        return "" if [len(shape) for shape in shapes] == [2, 2] and shapes[1][1] == 2 else f"no spotter: {shapes}"

    def classes(self, shapes: Sequence[Shape]) -> int:
        return shapes[0][1]

    def decode(
        self, outputs: Sequence[Array], labels: tuple[str, ...], fit: Fit | None, limit: int | None
    ) -> list[Spot]:
        scores, place = outputs
        at = int(scores[0].argmax())
        where = place[0] if fit is None else fit.to_picture((place[0] + 1) / 2 * SIDE)
        return [Spot(labels[at], at, float(scores[0, at]), tuple(map(float, where)))]

    def judge(self, labels: tuple[str, ...]) -> SpotEvaluation:
        return SpotEvaluation()

    def compare(self, first: SpotEvaluation, second: SpotEvaluation) -> SpotComparison:
        return SpotComparison(first.score - second.score)

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array]) -> Agreement:
        near = (np.abs(reference[1] - outputs[1]) < 0.2).all(axis=1)
        return Agreement(float(near.mean()), "has the spot where Keras has it", {"near": float(near.mean())})

    def cells(self, found: Spot) -> tuple[object, ...]:
        return found.label, found.index, found.score, *found.place

    def lines(self, found: Sequence[Spot]) -> list[str]:
        return [f"{one.label} at {one.place[0]:.0f}, {one.place[1]:.0f}" for one in found]

    def brief(self, found: Sequence[Spot]) -> str:
        return "; ".join(self.lines(found))


SPOTTING = Spotting()


def spotter(structure: str = "list") -> Any:
    """A model whose outputs, by their names, would stand in the other order."""
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    kinds = keras.layers.Dense(3, activation="softmax", name="z_kinds")(x)
    place = keras.layers.Dense(2, activation="tanh", name="a_place")(x)
    outputs = {"list": [kinds, place], "dictionary": {"1_kinds": kinds, "2_place": place}}[structure]
    return keras.Model(inputs, outputs, name="spotter")
