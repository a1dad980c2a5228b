"""What a file is tagged with when it is made, for other readers of TFLite metadata."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """What `interpreter.get_signature_runner()` calls a model's input and outputs."""

    input: str
    outputs: tuple[str, ...]
    """In the order of the graph's outputs."""
    key: str = "serving_default"


@dataclass(frozen=True)
class OutputTag:
    """What the metadata says of one output."""

    name: str
    description: str
    has_labels: bool = False
    """Whether the label file names the entries of its last axis."""


@dataclass(frozen=True)
class Tags:
    """What is said of a file beside its labels and card."""

    name: str
    description: str
    author: str
    license: str
    image_shape: tuple[int, int, int] | None
    """(height, width, channels), or None where the input is no picture."""
    signature: Signature
    outputs: tuple[OutputTag, ...]
    """In the order of the graph's outputs."""
