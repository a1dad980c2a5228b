"""What scores are, how they are shown, and whether they answer anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Scores = Literal["probabilities", "numbers"]
"""What the scores of a file are: probabilities, 0..1, or other numbers, such as logits or distances."""


def shown_score(score: float, kind: Scores, digits: int = 2) -> str:
    """Returns a score as text: a probability in percent, any other number as it is."""
    return f"{score:.{digits}%}" if kind == "probabilities" else f"{score:.4g}"


class Sameness:
    """Watches whether a file answers anything: whether its scores differ between classes and between pictures."""

    def __init__(self) -> None:
        self._first: tuple[float, ...] | None = None
        self._truths: set[str] = set()
        self._differ_by_picture = False
        self._differ_by_class = False

    def add(self, truth: str, scores: Sequence[float]) -> None:
        """Adds the scores of one picture, in the order of the classes, and its true class."""
        self._truths.add(truth)
        if self._differ_by_class and self._differ_by_picture:
            return
        found = tuple(scores)
        self._differ_by_class |= len(set(found)) > 1
        if self._first is None:
            self._first = found
        self._differ_by_picture |= found != self._first

    def fault(self) -> str:
        """Returns why these scores make no accuracy, as the rest of a sentence about the file; empty if they do.

        Pictures of one class alone may well all get the same scores.
        """
        if self._first is None or len(self._first) < 2 or len(self._truths) < 2:
            return ""
        if not self._differ_by_class:
            return "gives every class the same score, for every picture"
        return "" if self._differ_by_picture else "gives every picture the same scores"
