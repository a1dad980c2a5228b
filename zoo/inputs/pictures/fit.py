"""Describes a resize as a value: the part of a picture that a model sees, and its place in the model's input."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from zoo.inputs.preprocessing import Resize

Array = np.ndarray[Any, np.dtype[Any]]


class Box(NamedTuple):
    """A rectangle in pixels. x grows to the right and y downwards; the upper left corner of the picture is (0, 0)."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top


class Fit(NamedTuple):
    """The part of a picture that a model sees, and its place in the model's input."""

    seen: Box
    """The part that the model sees, in pixels of the upright picture."""
    placed: Box
    """The same part in pixels of the model's input; what is outside of it is padding."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture in pixels; the part that a model sees is its middle."""
        return round(self.seen.left + self.seen.right), round(self.seen.top + self.seen.bottom)

    def to_model(self, places: Array) -> Array:
        """Converts points or boxes from pixels of the picture to pixels of the model's input.

        Args:
            places: `(..., 2)` points x, y, or `(..., 4)` boxes left, top, right, bottom, in pixels.

        Returns:
            The same points or boxes in the model's pixels, float64. Points that the model does not see lie outside of
            its input.
        """
        return _map(places, self.seen, self.placed)

    def to_picture(self, places: Array) -> Array:
        """Converts points or boxes from pixels of the model's input to pixels of the picture; see `to_model`."""
        return _map(places, self.placed, self.seen)


def fit(size: tuple[float, float], into: tuple[int, int], resize: Resize) -> Fit:
    """Returns how a picture is fitted to a model's input.

    Args:
        size: width and height of the picture.
        into: width and height of the model's input.
        resize: the policy.
    """
    across, down = size
    wide, high = into
    if resize == "crop":
        # The largest central part with the aspect ratio of the model's input.
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
