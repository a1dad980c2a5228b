"""The resize as a value: which part of a picture a model sees, and where that part stands in the model's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from zoo.inputs.preprocessing import Resize

Array = npt.NDArray[Any]


class Box(NamedTuple):
    """A rectangle in pixels; x to the right, y down, edges between pixels (the upper left corner is 0, 0)."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Fit:
    """Which part of a picture a model sees, and where that part stands in the model's input."""

    seen: Box
    """In the upright picture, in its pixels."""
    placed: Box
    """The same part in the model's input, in its pixels. Around it there is padding, where there is any."""

    def to_model(self, places: Array) -> Array:
        """Brings points or boxes from the picture to the model's input.

        Args:
            places: `(..., 2)` points x, y, or `(..., 4)` boxes left, top, right, bottom, in pixels.

        Returns:
            The same in the model's pixels, float64; what the model does not see lies outside of its input.
        """
        return _map(places, self.seen, self.placed)

    def to_picture(self, places: Array) -> Array:
        """Brings points or boxes from the model's input to the picture; see `to_model`."""
        return _map(places, self.placed, self.seen)


def fit(size: tuple[float, float], into: tuple[int, int], resize: Resize) -> Fit:
    """Works out how a picture comes to a model's size.

    Args:
        size: width and height of the picture.
        into: width and height of the model's input.
        resize: the policy.
    """
    across, down = size
    wide, high = into
    if resize == "crop":
        # The largest middle part of the right shape.
        ratio = wide / high
        width, height = min(across, down * ratio), min(down, across / ratio)
        left, top = (across - width) / 2, (down - height) / 2
        return Fit(Box(left, top, left + width, top + height), Box(0, 0, wide, high))
    whole = Box(0, 0, across, down)
    if resize == "stretch":
        return Fit(whole, Box(0, 0, wide, high))
    inner_wide = max(1, round(min(wide, high * across / down)))
    inner_high = max(1, round(min(high, wide * down / across)))
    left, top = round((wide - inner_wide) / 2), round((high - inner_high) / 2)
    return Fit(whole, Box(left, top, left + inner_wide, top + inner_high))


def _map(places: Array, source: Box, target: Box) -> Array:
    pairs = np.asarray(places, np.float64)
    times = pairs.shape[-1] // 2
    scale = np.array([target.width / source.width, target.height / source.height] * times)
    start, end = np.array([source.left, source.top] * times), np.array([target.left, target.top] * times)
    mapped: Array = (pairs - start) * scale + end
    return mapped
