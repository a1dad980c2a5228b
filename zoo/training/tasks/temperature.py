"""Temperature scaling: one number for a classifier, after which its scores say how often it is right.

Guo et al., "On Calibration of Modern Neural Networks" (2017). What the softmax takes is divided by the temperature; no
answer changes, only how sure it is. The division is folded into the weights of the last layer, so it costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo import graph
from zoo.text import count_of

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

LEAST_FILES = 50
"""The fewest validation files that a temperature is fitted on."""
LOWEST, HIGHEST = 0.1, 10.0
"""The range of temperatures."""
STEPS = 60
"""Halvings of that range, more than double precision can tell apart."""

_WEIGHTED = ("Dense", "Conv1D", "Conv2D")
_RANGE = "ActivationRange"
"""The kind of layer that rounds activations within a range, in a model that is trained for int8."""
_HOMOGENEOUS = frozenset({
    "AveragePooling1D", "AveragePooling2D", "Dropout", "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Identity", "Permute", "Reshape", _RANGE,
})  # fmt: skip
"""Layers whose outputs are divided by a positive number if their inputs are; of a range, if it is divided as well."""


@dataclass(frozen=True)
class Temperature:
    """The temperature of a classifier."""

    value: float = 1.0
    """The number by which the logits are divided; 1 leaves the scores as they are."""
    count: int = 0
    """Number of validation files that it was fitted on."""
    why_not: str = ""
    """Why the scores stay as they are; empty if they do not."""

    def apply(self, scores: Array) -> Array:
        """Returns probabilities `(count, classes)` at this temperature, float32."""
        return _softmax(_logits(scores) / self.value).astype(np.float32)


def fit(scores: Array, labels: Array) -> Temperature:
    """Fits the temperature with the lowest cross-entropy (negative log-likelihood) on held-out files.

    Args:
        scores: probabilities from a softmax, `(count, classes)`.
        labels: the true classes, `(count,)`.

    Returns:
        The temperature; it is 1, with the reason, where the files do not show one.
    """
    count = len(labels)
    if count < LEAST_FILES:
        return Temperature(
            count=count,
            why_not=f"{count_of(count, 'validation file is', 'validation files are')} too few, "
            f"{LEAST_FILES} are needed",
        )
    wrong = int((scores.argmax(axis=1) != labels).sum())
    if not wrong:
        return Temperature(
            count=count, why_not=f"none of {count_of(count, 'validation file')} is missed, which shows no doubt"
        )
    logits = _logits(scores)
    truth = logits[np.arange(count), labels]

    def slope(inverse: float) -> float:
        """The derivative of the cross-entropy, a convex function, by the inverse of the temperature."""
        return float(((_softmax(logits * inverse) * logits).sum(axis=1) - truth).mean())

    low, high = 1 / HIGHEST, 1 / LOWEST
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    # Rounding in the model's arithmetic changes later digits, and a run that is evaluated again has to find the same.
    return Temperature(float(f"{2 / (low + high):.4g}"), count)


def scale(model: keras.Model, temperature: Temperature) -> bool:
    """Divides the logits of a model by a temperature, in the weights of the layer that makes them.

    Args:
        model: a model that ends in a softmax; its weights are changed.
        temperature: the temperature.

    Returns:
        Whether there is such a layer; if not, the model stays as it is.
    """
    path = logits_path(model)
    if path is None:
        return False
    *between, layer = path
    ends = [end for one in between if type(one).__name__ == _RANGE for end in (one.low, one.high)]
    for weights in (layer.kernel, *([layer.bias] if layer.use_bias else []), *ends):
        weights.assign(np.asarray(weights) / np.float32(temperature.value))
    return True


def logits_path(model: keras.Model) -> list[Any] | None:
    """Returns the layers from a model's end, without the softmax, back to the one whose weights make the logits."""
    if len(model.outputs) != 1:
        return None
    layer = graph.layer_of(model.outputs[0])
    kind = graph.kind_of(layer)
    if kind in _WEIGHTED:
        return [layer] if _activation(layer) == "softmax" else None
    if kind != "Softmax" and not (kind == "Activation" and _activation(layer) == "softmax"):
        return None
    path: list[Any] = []
    while True:
        inputs = layer.input
        if isinstance(inputs, list | tuple | dict):
            return None
        layer = graph.layer_of(inputs)
        path.append(layer)
        kind = graph.kind_of(layer)
        if kind in _WEIGHTED:
            return path if _activation(layer) == "linear" else None
        if kind not in _HOMOGENEOUS:
            return None


def _activation(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", ""))


def _logits(scores: Array) -> Array:
    """Returns logits that give these probabilities, float64; the highest of a row is 0."""
    logits: Array = np.log(np.maximum(np.asarray(scores, np.float64), np.finfo(np.float32).tiny))
    logits -= logits.max(axis=1, keepdims=True)
    return logits


def _softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
