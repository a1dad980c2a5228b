"""Finds the head of a detector among the layers of a file: its boxes, and its scores if the classes are as many."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from zoo.weights.formats.files import Contents, Layer, listed
from zoo.weights.preprocessing import Array

if TYPE_CHECKING:
    import keras

Shapes = Sequence[Sequence[tuple[float, float]]]
"""Heights and widths of the anchors of each level, see `zoo.models.detectors.anchored`."""

_SCORES = re.compile(r"\w+_class\d+")
"""Matches the names of the layers that have an output for each class."""


@dataclass(frozen=True)
class Head:
    """The head that a detector takes from a file."""

    of_classes: tuple[str, ...]
    """The names of our layers that have outputs for each class."""
    arrays: dict[str, tuple[Array, ...]] = field(default_factory=dict)
    """The arrays of each of our layers; empty if the file has no such head."""
    classes: int | None = None
    """Number of classes of the file's head."""
    shapes: Shapes | None = None
    """The anchors that its boxes are relative to, if the file holds them."""
    why: str = ""
    """The reason why the file's head cannot be used."""


def detects(model: keras.Model) -> bool:
    """Whether a model is a detector of the zoo."""
    from zoo.models.detectors import anchored

    return anchored.is_detector(model)


def body_of(layers: Sequence[Layer]) -> list[Layer]:
    """Returns a detector's layers before its head, of all layers in the order of its graph."""
    from zoo.models.detectors import anchored

    return list(takewhile(lambda layer: not layer.name.startswith(anchored.HEADS), layers))


def take_head(model: keras.Model, ours: Sequence[Layer], theirs: Sequence[Layer], contents: Contents) -> Head:
    """Lays a detector's head beside what a file has behind the backbone.

    Args:
        model: the detector; its weights need not be allocated, and the number of its classes does not matter.
        ours: the layers of its head.
        theirs: the file's layers behind the backbone.
        contents: the contents of the file.

    Returns:
        The whole head, or none of it: boxes alone would be found by scores of other features.
    """
    of_classes = tuple(layer.name for layer in ours if _SCORES.fullmatch(layer.name))
    if not theirs:
        return Head(of_classes, why="it has no head")
    named = {layer.name: layer for layer in theirs}
    pairs = [(layer, named[layer.name]) for layer in ours if layer.name in named]
    if len(pairs) < len(ours):
        # Files of weights do not always name layers as the model does.
        pairs = list(zip(ours, theirs, strict=False))
    if len(theirs) != len(ours):
        return Head(of_classes, why=f"its head is none of {model.name}'s ({listed(theirs)})")
    own, found = int(model.outputs[1].shape[-1]), set()
    for layer, other in pairs:
        shapes = other.shapes
        if layer.name in of_classes and shapes:
            each = layer.shapes[0][-1] // own
            classes, rest = divmod(shapes[0][-1], each)
            found.add(0 if rest else classes)
            shapes = tuple((*shape[:-1], each * own) if shape[-1] == classes * each else shape for shape in shapes)
        if shapes != layer.shapes:
            return Head(of_classes, why=f"its head is none of {model.name}'s ({other.name} has other shapes)")
    if len(found) != 1 or not min(found):
        return Head(of_classes, why="its levels have different classes")
    anchors = _anchors(contents)
    if anchors is not None and list(map(len, anchors)) != list(map(len, _own(model))):
        return Head(of_classes, why="it has another number of anchors in a cell")
    arrays = {layer.name: tuple(map(np.asarray, other.arrays)) for layer, other in pairs}
    return Head(of_classes, arrays, found.pop(), anchors)


def _anchors(contents: Contents) -> Shapes | None:
    """Returns the anchors of a file that holds a whole detector."""
    from zoo.models.detectors import anchored

    held = contents.model is not None and anchored.is_detector(contents.model)
    return anchored.shapes_of(contents.model) if held else None


def _own(model: keras.Model) -> Shapes:
    from zoo.models.detectors import anchored

    return anchored.shapes_of(model)
