"""How many objects of a data set the anchors of a detector cover: what none covers is hardly ever found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.tasks.objects.anchors import COVERED, Shape, cover, default_shapes, fit
from zoo.tasks.task import Array

STRIDES = (16, 32, 64, 128)
"""The strides of the levels of SSDLite."""
FINE_STRIDES = (8, *STRIDES)
"""The same with the level for small objects."""
ENOUGH = 0.9
"""Share of the objects that fitted anchors should cover from stride 16 on; below, the level of stride 8 is worth it."""


@dataclass(frozen=True)
class Covered:
    """How many objects have an anchor with an overlap of 0.5 or more, in a model's input."""

    width: int
    height: int
    """The model's input."""
    objects: int = 0
    fitted: int = 0
    """Objects that anchors cover which are fitted to the objects to train on, from stride 16 on."""
    fitted_fine: int = 0
    """The same from stride 8 on."""
    default: int = 0
    """Objects that the default anchors cover, those by the rule of the SSD paper, from stride 16 on."""

    def share(self, count: int) -> float:
        """Returns a number of objects as a share of all, 0..1; 1 if there are none."""
        return count / self.objects if self.objects else 1.0

    @property
    def wants_fine(self) -> bool:
        """Whether the level of stride 8 is worth its time: without it, many objects have no anchor."""
        return self.share(self.fitted) < ENOUGH and self.fitted_fine > self.fitted

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        counts = {"fitted_16": self.fitted, "fitted_8": self.fitted_fine, "default_16": self.default}
        return {
            "input": [self.height, self.width],
            "objects": self.objects,
            "covered": counts,
            "shares": {name: round(self.share(count), 4) for name, count in counts.items()},
        }


def covered_at(boxes: Array, to_train: Array, size: tuple[int, int]) -> Covered:
    """Returns how many objects anchors cover.

    Args:
        boxes: `(n, 4)` left, top, right and bottom of each object, in pixels of the model's input.
        to_train: `(n,)` whether each is one to train on; anchors are fitted to those.
        size: width and height of the model's input.
    """
    if not len(boxes):
        return Covered(*size)
    width, height = size
    shares = boxes / np.array([width, height, width, height], np.float64)
    sizes = (shares[:, 2:] - shares[:, :2])[:, ::-1]

    def count(strides: Sequence[int], shapes: Sequence[Sequence[Shape]] | None = None) -> int:
        grids = [(-(-height // stride), -(-width // stride)) for stride in strides]
        best = cover(shares, grids, fit(sizes[to_train], grids) if shapes is None else shapes)
        return int((best >= COVERED).sum())

    return Covered(
        width,
        height,
        len(boxes),
        count(STRIDES),
        count(FINE_STRIDES),
        count(STRIDES, default_shapes(len(STRIDES))),
    )
