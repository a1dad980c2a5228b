"""What a detector answers: objects with their boxes."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.inputs.pictures.fit import Box


@dataclass(frozen=True)
class Detection:
    """One object."""

    label: str
    index: int
    score: float
    """The probability that it is one, 0..1."""
    box: Box
    """Left, top, right, bottom in pixels of the upright picture; of the model's input if there is no picture."""
