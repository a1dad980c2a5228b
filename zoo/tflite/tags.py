"""The tags that a new file gets for other readers of TFLite metadata."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """The names that `interpreter.get_signature_runner()` uses for a model's input and outputs."""

    input: str
    outputs: tuple[str, ...]
    """The names of the outputs, in the order of the graph."""
    key: str = "serving_default"


@dataclass(frozen=True)
class OutputTag:
    """The metadata of one output."""

    name: str
    description: str
    has_labels: bool = False
    """Whether the label file names the entries of its last axis."""


@dataclass(frozen=True)
class Tags:
    """The metadata of a file in addition to its labels and card."""

    name: str
    description: str
    author: str
    license: str
    image_shape: tuple[int, int, int] | None
    """Height, width and channels of the input; None if it is no picture."""
    signature: Signature
    outputs: tuple[OutputTag, ...]
    """The metadata of the outputs, in the order of the graph."""
