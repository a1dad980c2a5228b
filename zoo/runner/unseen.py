"""Chooses the pictures to judge a file by: those that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

from zoo.inputs import seen
from zoo.inputs.examples import Divided, held_out
from zoo.runner.predictor import Predictor
from zoo.text import plural


@dataclass(frozen=True)
class Choice(Generic[Divided]):
    """The pictures to judge by, and what is to be said of them."""

    pictures: tuple[Divided, ...]
    trained_on: int | None
    """How many of the data's pictures a file was trained on; None if that is not known."""
    note: str
    """What the reader of the figures has to know; empty if there is nothing."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {"training_pictures": self.trained_on, "note": self.note or None}


def choose(
    predictors: Sequence[Predictor[Any]], examples: Sequence[Divided], *, everything: bool = False
) -> Choice[Divided]:
    """Chooses the held-out pictures of data, and of those the ones that no file was trained on.

    Args:
        predictors: the files to judge.
        examples: all pictures of the data, by which a file's card knows what it was trained on.
        everything: whether training pictures are judged, too.
    """
    pictures = held_out(examples)
    known = [_recall(predictor, examples) for predictor in predictors]
    trained = {path for found in known if found for path, split in found.items() if split == "train"}
    count, there = sum(one.path in trained for one in pictures), len(pictures)
    if all(found is None for found in known):
        return Choice(pictures, None, _doubt(predictors))
    rest = tuple(one for one in pictures if one.path not in trained)
    if not count:
        return Choice(pictures, 0, "")
    if not rest or everything:
        every = f"all {there} pictures" if there > 1 else "the only picture"
        which = f"{count} of these {there} pictures" if rest else every
        return Choice(pictures, count, f"{which} {plural(count, 'was', 'were')} trained on: the figures flatter")
    return Choice(
        rest,
        count,
        f"{count} of these {there} pictures {plural(count, 'was', 'were')} trained on and {plural(count, 'is', 'are')} "
        f"left out (--all judges {plural(count, 'it', 'them')}, too); {len(rest)} {plural(len(rest), 'was', 'were')} "
        "held out",
    )


def _recall(predictor: Predictor[Any], examples: Sequence[Divided]) -> dict[Any, Any] | None:
    return seen.recall(predictor.card, predictor.session.path, [example.path for example in examples])


def _doubt(predictors: Sequence[Predictor[Any]]) -> str:
    """Returns what is to be said where files were trained on pictures that nobody can tell from these."""
    trained = next((one for one in predictors if seen.FIELD in one.card), None)
    if trained is None:
        return ""
    return (
        f"{trained.session.path} was trained on {trained.card.get('trained_on')} pictures; whether some of these are "
        f"among them cannot be told, because these are not just the data of that training, and no {seen.FILE} is here"
    )
