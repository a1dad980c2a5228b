"""Finds what a model has that 8-bit integers keep badly: swish and its kin, gates, layer normalization."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import listed
from zoo.export.modes import MODES, Quantize
from zoo.export.tflite.naming import operations_of
from zoo.tasks import DEFAULT, Task, data_of

if TYPE_CHECKING:
    import keras

_ACTIVATIONS = {
    "silu": "swish",
    "swish": "swish",
    "hard_silu": "hard-swish",
    "hard_swish": "hard-swish",
    "gelu": "GELU",
}
_OPERATIONS = {"Silu": "swish", "HardSilu": "hard-swish", "Gelu": "GELU"}
_NORMS = {"LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization"}
_NO_INT16 = {"hard-swish", "GELU", "layer normalization"}
"""What `int16x8` has no operations for."""
_MAPS = 4
"""The dimensions of a batch of feature maps."""


def weak_points(model: keras.Model) -> list[str]:
    """Returns the kinds of layers that lose in int8, in plain words, each once; empty if there are none."""
    return list(dict.fromkeys(kind for one in operations_of(model) for kind in _kinds(one)))


def warning_for(model: keras.Model, quantize: Quantize, task: Task[Any] = DEFAULT, modes: Sequence[str] = MODES) -> str:
    """Returns the warning of a model's weak points for a file in `int8`; empty if there are none, or in other modes."""
    points = weak_points(model) if quantize == "int8" else []
    return warning(points, data_of(task)[1], modes) if points else ""


def warning(points: list[str], data: str = "PICTURES", modes: Sequence[str] = MODES) -> str:
    """Returns what to think of an int8 file of a model with these weak points, and what to do instead.

    Args:
        points: from `weak_points`.
        data: what stands in a command line for the data that such a model is judged by.
        modes: those that the format of the file has.
    """
    others = ["dynamic", "float16"] if _NO_INT16 & set(points) else ["int16x8", "dynamic", "float16"]
    instead = listed([one for one in others if one in modes], "or")
    return (
        f"the model has {' and '.join(points)}, which 8-bit integers keep badly: measure the loss (zoo evaluate FILE "
        f"{data} --against FLOAT_FILE), or take {instead}, or a net with ReLU and batch normalization alone"
    )


def _kinds(operation: Any) -> Iterator[str]:
    kind = type(operation).__name__
    activation = getattr(getattr(operation, "activation", None), "__name__", "")
    if activation in _ACTIVATIONS:
        yield _ACTIVATIONS[activation]
    if kind in _OPERATIONS:
        yield _OPERATIONS[kind]
    if kind in _NORMS:
        yield "layer normalization"
    if kind == "Multiply" and _is_gate(operation):
        yield "squeeze-and-excite"


def _is_gate(multiply: Any) -> bool:
    """Returns whether one factor is a number for each channel of the other one, computed from the picture."""
    inputs = multiply.input if isinstance(multiply.input, list | tuple) else [multiply.input]
    shapes = [tuple(one.shape) for one in inputs]
    if len(shapes) != 2 or any(len(shape) != _MAPS for shape in shapes):
        return False
    single = [shape[1:3] == (1, 1) for shape in shapes]
    return any(single) and not all(single)
