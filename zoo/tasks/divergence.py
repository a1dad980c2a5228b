"""How far the answers of two models are apart, as one number that shows what no change of a class shows yet.

It is the Kullback-Leibler divergence of the second answer from the first, in nats, on average over the inputs: 0 where
both are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.tasks.agreement import Answers
from zoo.tasks.task import Array, Graded, Task

_LEAST = 1e-7
"""The least probability that is told from 0."""


def divergence(task: Task[Any], reference: Sequence[Array], outputs: Sequence[Array]) -> float:
    """Returns how far outputs are from the reference's, as the task measures it, else as values.

    Args:
        task: what the outputs are.
        reference: the outputs of the reference; the first axis of each is the inputs.
        outputs: those of the other one.
    """
    if isinstance(task, Graded):
        return task.divergence(reference, outputs)
    return float(np.mean([of_values(_rows(one), _rows(other)) for one, other in zip(reference, outputs, strict=True)]))


def of_classes(reference: Array, outputs: Array) -> float:
    """Returns the divergence of scores `(count, classes)`, of which one class is right; logits or probabilities."""
    p, q = _probabilities(reference), _probabilities(outputs)
    return float((p * (np.log(p) - np.log(q))).sum(axis=-1).mean())


def of_labels(reference: Array, outputs: Array, weights: Array | None = None) -> float:
    """Returns the divergence of probabilities of labels that are independent of each other, summed over the labels.

    Args:
        reference: `(count, ...)`, 0..1.
        outputs: the other's, of the same shape.
        weights: how much each counts; all of them 1 by default.
    """
    p, q = (np.clip(one.astype(np.float64), _LEAST, 1 - _LEAST) for one in (reference, outputs))
    found = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return float((found if weights is None else found * weights).sum() / len(p))


def of_values(reference: Array, outputs: Array) -> float:
    """Returns the divergence of values `(count, n)`, each taken for normally distributed with their spread."""
    first, second = reference.astype(np.float64), outputs.astype(np.float64)
    spread = first.var(axis=0).mean() or 1.0
    return float(np.square(first - second).mean() / (2 * spread))


def of_boxes(reference: Array, outputs: Array, scores: Array) -> float:
    """Returns the divergence of coded boxes, normally distributed with a deviation of a tenth of their anchor's size.

    Args:
        reference: `(count, anchors, 4)`; SSD's coding counts in tenths of the anchor.
        outputs: the other's.
        scores: `(count, anchors)`, 0..1: a box counts as much as its anchor shows an object.
    """
    moved = np.square(reference.astype(np.float64) - outputs).sum(axis=-1) / 2
    return float((moved * scores).sum() / len(reference))


OF_ANSWERS: dict[Answers, Callable[[Array, Array], float]] = {
    "class": of_classes,
    "labels": of_labels,
    "values": of_values,
}
"""The divergence of each kind of a classifier's answers."""


def _probabilities(scores: Array) -> npt.NDArray[np.float64]:
    values = scores.astype(np.float64)
    if values.min() < 0 or not np.allclose(values.sum(axis=-1), 1, atol=1e-2):
        values = np.exp(values - values.max(axis=-1, keepdims=True))
    values = np.clip(values, _LEAST, None)
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def _rows(values: Array) -> Array:
    return values.reshape(len(values), -1)
