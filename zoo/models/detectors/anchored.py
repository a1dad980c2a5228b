"""The anchors of a detector and the names of its classes, in the configuration of its Keras model's last layer.

A model's file is enough to decode its boxes and to name them then, whatever is beside it. This module imports Keras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from zoo.errors import OptionError
from zoo.graph import layer_of
from zoo.inputs.preprocessing import picture_shape
from zoo.tasks.detection import DETECTION, Detecting
from zoo.tasks.objects.boxes import Coding, make_anchors
from zoo.tasks.objects.layout import Found, Heads
from zoo.tasks.task import Array

Shapes = Sequence[Sequence[tuple[float, float]]]
"""Heights and widths of the anchors in each cell of a level, as fractions of the model's input."""

PER_CELL = 4
"""Number of anchors in each cell of a model that is trained here."""
NAME = "boxes"
"""The name of the layer, and so of the output."""


@keras.saving.register_keras_serializable(package="edgezoo")
class Anchors(keras.layers.Layer):
    """Hands on coded boxes `(batch, anchors, 4)` as they are, and holds the anchors that they are relative to.

    It holds the names of the classes, too, where they are known.

    Args:
        grids: rows and columns of each level.
        shapes: heights and widths of the anchors in each cell of a level, as fractions of the input.
        labels: the names of the classes in their order; empty if they are not known.
        **others: of every Keras layer.

    Raises:
        ValueError: these are not the anchors of any model.
    """

    def __init__(
        self, grids: Sequence[Sequence[int]], shapes: Shapes, labels: Sequence[str] = (), **others: Any
    ) -> None:
        super().__init__(**others)
        self.labels = tuple(map(str, labels))
        self.grids = [(int(rows), int(columns)) for rows, columns in grids]
        self.shapes = [[(float(height), float(width)) for height, width in level] for level in shapes]
        sizes = [size for level in self.shapes for shape in level for size in shape]
        if len(self.grids) != len(self.shapes) or not sizes:
            raise ValueError(f"{len(self.grids)} levels with anchors of {len(self.shapes)} levels")
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise ValueError("an anchor's height or width is no positive number")

    @property
    def count(self) -> int:
        """Number of anchors."""
        return sum(rows * columns * len(level) for (rows, columns), level in zip(self.grids, self.shapes, strict=True))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compares the number of anchors with that of the boxes.

        Raises:
            ValueError: they differ.
        """
        if tuple(input_shape[1:]) != (self.count, 4):
            raise ValueError(f"{self.count} anchors for boxes of the shape {tuple(input_shape)}")

    def call(self, inputs: Any) -> Any:
        """Returns the boxes as they are."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the boxes."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, as JSON can hold them."""
        return {
            **super().get_config(),
            "grids": [list(grid) for grid in self.grids],
            "shapes": [[list(shape) for shape in level] for level in self.shapes],
            "labels": list(self.labels),
        }


def is_detector(model: keras.Model) -> bool:
    """Whether a model carries anchors."""
    return bool(_layers_of(model))


def anchors_of(model: keras.Model) -> Array:
    """Returns the anchors of a detector: `(anchors, 4)` float32, see `zoo.tasks.objects.boxes`.

    Raises:
        OptionError: the model carries none.
    """
    layer = _layer_of(model)
    return make_anchors(layer.grids, layer.shapes)


def grids_of(model: keras.Model) -> list[tuple[int, int]]:
    """Returns rows and columns of each level of a detector.

    Raises:
        OptionError: the model carries no anchors.
    """
    return list(_layer_of(model).grids)


def shapes_of(model: keras.Model) -> list[list[tuple[float, float]]]:
    """Returns heights and widths of a detector's anchors, level by level.

    Raises:
        OptionError: the model carries no anchors.
    """
    return [list(level) for level in _layer_of(model).shapes]


def set_shapes(model: keras.Model, shapes: Shapes) -> None:
    """Gives a detector other anchors, as many as it has; its weights have to be trained for them.

    Raises:
        OptionError: the model carries no anchors, or another number of them in a cell.
    """
    layer = _layer_of(model)
    found, wanted = [len(level) for level in layer.shapes], [len(level) for level in shapes]
    if found != wanted:
        raise OptionError(f"{model.name} has {found} anchors in the cells of its levels, and not {wanted}")
    layer.shapes = [[(float(height), float(width)) for height, width in level] for level in shapes]


def labels_of(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of the classes that a model carries; empty if it carries none, or is no detector."""
    return next((layer.labels for layer in _layers_of(model) if layer.labels), ())


def set_labels(model: keras.Model, labels: Sequence[str]) -> None:
    """Gives a detector the names of its classes; a model that carries no anchors has no place for them."""
    for layer in _layers_of(model):
        layer.labels = tuple(labels)


def head_start(model: keras.Model) -> int:
    """Returns the index in `model.layers` of the first layer of a detector's head.

    Raises:
        OptionError: the model has no such head.
    """
    for at, layer in enumerate(model.layers):
        if layer.name.startswith(HEADS):
            return at
    raise OptionError(f"{model.name} has no head of a detector: none of its layers begins with {' or '.join(HEADS)}")


HEADS = ("ssd_", "fpn_")
"""How the names of all layers of a detector's head begin."""


def _layer_of(model: keras.Model) -> Anchors:
    for layer in _layers_of(model):
        return layer
    raise OptionError(f"{model.name} is no detector of this package: it carries no anchors")


def _layers_of(model: keras.Model) -> list[Anchors]:
    """Returns the layers of a model that hold anchors, and those of a nested model that make its outputs."""
    made = [layer_of(output) for output in getattr(model, "outputs", None) or []]
    return [layer for layer in [*getattr(model, "layers", []), *made] if isinstance(layer, Anchors)]


def detecting(model: keras.Model) -> Detecting:
    """Returns the task of a detector with how its outputs are arranged; without that if they are not two.

    Raises:
        OptionError: the model carries no anchors.
    """
    made = [isinstance(layer_of(output), Anchors) for output in model.outputs]
    anchors = anchors_of(model)
    if len(made) != 2 or sum(made) != 1:
        return DETECTION
    boxes = made.index(True)
    columns = int(model.outputs[1 - boxes].shape[-1])
    heads = Heads(boxes, 1 - boxes, anchors, Coding(), sigmoid=False, columns=columns, has_background=False)
    return replace(DETECTION, found=Found(heads, "", picture_shape(tuple(model.inputs[0].shape[1:]))))
