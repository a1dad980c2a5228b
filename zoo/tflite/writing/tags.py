"""The tags that a new file gets for other readers of TFLite metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


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
    """Whether the label file names its classes."""
    labels_are: Literal["entries", "values"] = "entries"
    """What the labels name: the entries of its last axis, or the classes whose numbers are its values."""
    corners: tuple[int, int, int, int] | None = None
    """For boxes, the places of left, top, right and bottom in the last axis; None for other values."""
    group: str = ""
    """The name of the group of outputs whose entries belong together; empty for none."""


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
    custom: Mapping[str, bytes] = field(default_factory=dict)
    """Further metadata in formats of their own, by name."""
