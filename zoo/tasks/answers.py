"""What models answer: a class with its score, and an object with its box."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.inputs.pictures.fit import Box


@dataclass(frozen=True)
class Prediction:
    """One class with the model's score for it."""

    label: str
    index: int
    score: float
    """Score of the class: a probability, 0..1, or another number, see `Classification.scores`."""


@dataclass(frozen=True)
class Detection:
    """One object."""

    label: str
    index: int
    score: float
    """The probability that it is one, 0..1."""
    box: Box
    """Left, top, right, bottom in pixels of the upright picture; of the model's input if there is no picture."""
