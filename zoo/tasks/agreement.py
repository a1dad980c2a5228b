"""How far two answers of a classifier agree, by what its scores are: one class of several, labels, or values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from zoo.tasks.task import Agreement, Array

Answers = Literal["class", "labels", "values"]
"""What an output says: which one of several classes, yes or no to each label, or values that are no scores of classes,
such as an embedding."""

DECISION = 0.5
"""The score from which a label is said to be there."""
SLIGHT = 0.05
"""How far scores on both sides of `DECISION` may differ: that close to it the decision is one of rounding."""
SPREAD_SHARE = 0.5
"""How far values may be off, as a share of their spread: halfway to what another input gives."""
NOISE = 0.02
"""How far values may be off in any case, as a share of their size."""


def same_class(reference: Array, outputs: Array) -> Agreement:
    """Returns how often the reference's best class is the best, or among the best five of more, of the outputs.

    Args:
        reference: scores, `(count, classes)`.
        outputs: the same inputs' scores of the other.
    """
    best = reference.argmax(axis=1)
    figures = {"top1": float((outputs.argmax(axis=1) == best).mean())}
    if outputs.shape[1] > 5:
        best_five = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
        figures["top5"] = float((best_five == best[:, np.newaxis]).any(axis=1).mean())
    doubt = "the same class" if len(best) > 1 and len(set(best.tolist())) == 1 else ""
    return Agreement(figures["top1"], "names the same class as Keras", figures, doubt)


def same_labels(reference: Array, outputs: Array) -> Agreement:
    """Returns how often all labels of an input are decided alike, and their scores are near each other.

    Args:
        reference: scores 0..1, `(count, labels)`, independent of each other.
        outputs: the same inputs' scores of the other.
    """
    yes, theirs = reference >= DECISION, outputs >= DECISION
    decided = ((yes == theirs) | (np.abs(reference - outputs) <= SLIGHT)).all(axis=1)
    # Where a label is rare, no decision may ever change: the scores have to follow, too.
    allowed = max(SPREAD_SHARE * _spread(reference), SLIGHT * np.sqrt(reference.shape[1]))
    share = float((decided & (np.linalg.norm(reference - outputs, axis=1) <= allowed)).mean())
    doubt = "the same labels" if len(yes) > 1 and (yes == yes[0]).all() else ""
    figures = {"inputs": share, "decisions": float((yes == theirs).mean())}
    return Agreement(share, f"decides every label as Keras (at {DECISION}, by scores close to its)", figures, doubt)


def same_values(reference: Array, outputs: Array) -> Agreement:
    """Returns how often the values of an input are near the reference's, and their mean cosine similarity.

    Near is at most half of the typical distance of the reference's values from their mean over all inputs. A file
    that gives every input the same values is not near.

    Args:
        reference: values, `(count, length)`.
        outputs: the same inputs' values of the other.
    """
    size = np.linalg.norm(reference, axis=1)
    spread = _spread(reference)
    allowed = np.maximum(SPREAD_SHARE * spread, NOISE * size)
    share = float((np.linalg.norm(reference - outputs, axis=1) <= allowed).mean())
    figures = {"close": share}
    if reference.shape[1] > 1:
        lengths = np.linalg.norm(outputs, axis=1)
        products = size * lengths
        # Zeros have the direction of zeros alone.
        alike = (size == lengths).astype(np.float64)
        cosines = np.divide((reference * outputs).sum(axis=1), products, out=alike, where=products > 0)
        figures["cosine"] = float(cosines.mean())
    doubt = "nearly the same values" if len(size) > 1 and spread <= NOISE * float(np.median(size)) else ""
    return Agreement(share, "gives values close to Keras' (within half of their spread)", figures, doubt)


def _spread(reference: Array) -> float:
    """Returns the typical distance of a row from the mean of all rows."""
    return float(np.median(np.linalg.norm(reference - reference.mean(axis=0), axis=1)))


MEASURES: dict[Answers, Callable[[Array, Array], Agreement]] = {
    "class": same_class,
    "labels": same_labels,
    "values": same_values,
}
"""The measure of each kind of answers."""
