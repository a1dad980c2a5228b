"""The range in which 8 bits store an activation, chosen by what was seen of it on example inputs.

| method | the range |
|---|---|
| `minmax` | holds every value; what TensorFlow's converter takes |
| `percentile` | leaves out the outermost 0.01% of the values at each end |
| `mse` | has the least mean squared error of the values, those that it cuts off included |

Needs NumPy alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.compress.methods import METHODS, Method, check_method

__all__ = ["METHODS", "Method", "Range", "Seen", "Watch", "check_method", "drawn", "places", "rounded"]

Array = npt.NDArray[np.float32]

OUTER = 1e-4
"""The share of the values that `percentile` leaves out at each end of the range."""
PER_INPUT = 1024
"""The most values of an activation that are kept of one input; its ends are those of all values."""
BINS = 4096
"""Number of bins of the histogram by which `mse` weighs errors: sixteen to a step of 8 bits."""
SHRUNK = np.linspace(0.2, 1.0, 41)
"""The parts of an end that `mse` tries."""
BITS = 8


@dataclass(frozen=True)
class Range:
    """Two ends between which 8 bits store real numbers."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """The distance of the ends."""
        return self.high - self.low


@dataclass(frozen=True)
class Seen:
    """What was seen of one activation."""

    low: float
    """The least of all values."""
    high: float
    """The largest of all values."""
    values: Array
    """Some of the values, `(count,)`, drawn evenly from all inputs."""

    def range(self, method: Method = "minmax") -> Range:
        """Returns the range that a method chooses; it always holds 0, which padding needs.

        Raises:
            OptionError: there is no such method.
        """
        check_method(method)
        whole = Range(min(self.low, 0.0), max(self.high, 0.0))
        if method == "minmax" or not self.values.size or whole.width <= 0:
            return whole
        if method == "percentile":
            low, high = np.quantile(self.values, [OUTER, 1 - OUTER])
            return Range(min(float(low), 0.0), max(float(high), 0.0))
        return _least_error(whole, self.values)


class Watch:
    """Collects what is seen of one activation, batch by batch."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self._kept: list[Array] = []

    def add(self, values: npt.ArrayLike) -> None:
        """Adds the values of a batch; the first axis counts inputs."""
        batch = np.asarray(values, np.float32)
        self.add_drawn(float(batch.min()), float(batch.max()), drawn(batch))

    def add_drawn(self, low: float, high: float, values: Array) -> None:
        """Adds the ends of all values of a batch, and some of the values, see `places`."""
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._kept.append(np.asarray(values, np.float32).reshape(-1))

    def seen(self) -> Seen:
        """Returns what was collected.

        Raises:
            ValueError: nothing was added.
        """
        if not self._kept:
            raise ValueError("no values were added")
        return Seen(float(self._low), float(self._high), np.concatenate(self._kept))


def drawn(batch: Array) -> Array:
    """Returns some values of each input of a batch, `(inputs, count)`; see `places`."""
    flat = batch.reshape(len(batch), -1)
    return flat[:, places(flat.shape[1])]


def places(size: int) -> npt.NDArray[np.intp]:
    """Returns which of `size` values of an input are kept: at most `PER_INPUT`, always the same ones."""
    if size <= PER_INPUT:
        return np.arange(size)
    # Not every n-th: that would be always the same channels.
    return np.sort(np.random.default_rng(0).choice(size, PER_INPUT, replace=False))


def rounded(values: Array, ends: Range, bits: int = BITS) -> Array:
    """Returns values as integers of so many bits store them in a range; those outside of it become its ends.

    The zero point is a whole number, so that 0 is stored exactly.
    """
    steps = 2**bits - 1
    scale = ends.width / steps
    if scale <= 0:
        return np.zeros_like(values)
    zero = np.rint(-ends.low / scale)
    stored = np.clip(np.rint(values / scale) + zero, 0, steps)
    return np.asarray((stored - zero) * scale, np.float32)


def _least_error(whole: Range, values: Array) -> Range:
    """Returns the range with the least mean squared error, one end after the other."""
    # All values count: of a part of them, the rare ones far out could be missing.
    counts, edges = np.histogram(values, BINS, (whole.low, whole.high))
    centres = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)[counts > 0]
    weights = counts[counts > 0] / values.size

    def error(ends: Range) -> float:
        return float((weights * np.square(rounded(centres, ends) - centres)).sum())

    # Of equal errors the widest range: nothing is cut off without a gain.
    best = min((Range(whole.low, whole.high * part) for part in SHRUNK[::-1]), key=error)
    if whole.low < 0:
        best = min((Range(whole.low * part, best.high) for part in SHRUNK[::-1]), key=error)
    return best
