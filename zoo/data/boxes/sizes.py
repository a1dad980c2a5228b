"""How large the objects of a data set are in a model's input: what is small there cannot be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.inputs.boxes import Boxes
from zoo.inputs.pictures.fit import fit
from zoo.inputs.preprocessing import Resize

Array = npt.NDArray[Any]

SMALL, LARGE = 32, 96
"""COCO calls objects small below 32x32 pixels, and large from 96x96 on; here in pixels of the model's input."""
TINY = 8
"""Pixels: objects less wide or high than this in the model's input are hardly ever found."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of objects in a model's input: the square root of a box's area, in pixels."""

    width: int
    height: int
    """The model's input."""
    count: int = 0
    small: int = 0
    medium: int = 0
    large: int = 0
    tiny: int = 0
    """Objects that are less than `TINY` pixels wide or high."""
    quantiles: tuple[float, ...] = ()
    """The smallest, the tenth percentile, the median, the ninetieth percentile, the largest; empty for no objects."""
    medians: dict[str, float] = field(default_factory=dict)
    """The median of each class."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        names = ("smallest", "percentile_10", "median", "percentile_90", "largest")
        return {
            "input": [self.height, self.width],
            "objects": self.count,
            "small": self.small,
            "medium": self.medium,
            "large": self.large,
            "tiny": self.tiny,
            "pixels": {name: round(value, 1) for name, value in zip(names, self.quantiles, strict=False)},
            "medians": {name: round(value, 1) for name, value in self.medians.items()},
        }


def in_input(pictures: Sequence[tuple[Boxes, tuple[int, int]]], size: tuple[int, int], resize: Resize) -> Array:
    """Returns the boxes of pictures in pixels of a model's input: `(objects, 4)` left, top, right, bottom.

    Args:
        pictures: the boxes of each picture in pixels of the upright picture, and its width and height.
        size: width and height of the model's input.
        resize: the resize policy.
    """
    mapped = [fit(upright, size, resize).to_model(boxes.boxes) for boxes, upright in pictures if len(boxes)]
    return np.concatenate(mapped) if mapped else np.zeros((0, 4))


def sizes_at(boxes: Array, names: Sequence[str], size: tuple[int, int]) -> Sizes:
    """Returns the sizes of objects in a model's input.

    Args:
        boxes: `(n, 4)` boxes in pixels of the model's input, see `in_input`.
        names: the class of each object.
        size: width and height of the model's input.
    """
    if not len(boxes):
        return Sizes(*size)
    labels = np.array(names, object)
    sides = boxes[:, 2:] - boxes[:, :2]
    roots = np.sqrt(sides.prod(axis=1))
    return Sizes(
        *size,
        count=len(roots),
        small=int((roots < SMALL).sum()),
        medium=int(((roots >= SMALL) & (roots < LARGE)).sum()),
        large=int((roots >= LARGE).sum()),
        tiny=int((sides < TINY).any(axis=1).sum()),
        quantiles=tuple(float(one) for one in np.quantile(roots, [0, 0.1, 0.5, 0.9, 1])),
        medians={str(name): float(np.median(roots[labels == name])) for name in sorted(set(labels))},
    )
