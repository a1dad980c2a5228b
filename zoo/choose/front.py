"""Finds the Pareto front of combinations, and the best one within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo import bounds
from zoo.choose.variants import Variant


@dataclass(frozen=True)
class Measured:
    """The measurements of a combination."""

    size_bytes: int
    median_ms: float
    """Median time of one run: the input is set, the model runs, the output is fetched."""
    p90_ms: float
    runs: int


@dataclass(frozen=True)
class Candidate:
    """A combination with its measurements and its published accuracy."""

    variant: Variant
    measured: Measured
    top1: float | None
    """Published top-1 accuracy in percent, see `Variant.top1`."""

    @property
    def top1_of(self) -> str | None:
        """The weights that the accuracy is of, `int8` or `float`; None if there is none."""
        if self.top1 is None:
            return None
        return "float" if self.variant.int8_top1 is None else "int8"

    @property
    def megabytes(self) -> float:
        """Size of the file, in units of 1,000,000 bytes."""
        return self.measured.size_bytes / 1e6

    def beats(self, other: Candidate) -> bool:
        """Whether it is at least as fast and as accurate as another, and better in one; size decides between equals."""
        if self.top1 is None or other.top1 is None:
            return False
        own, others = (-self.top1, self.measured.median_ms), (-other.top1, other.measured.median_ms)
        if own == others:
            return self.measured.size_bytes < other.measured.size_bytes
        return all(a <= b for a, b in zip(own, others, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "model": self.variant.model,
            **self.variant.values,
            "quantize": self.variant.quantize,
            "file": f"{self.variant.stem}.tflite",
            "top1": self.top1,
            "top1_of": self.top1_of,
            "median_ms": self.measured.median_ms,
            "p90_ms": self.measured.p90_ms,
            "runs": self.measured.runs,
            "bytes": self.measured.size_bytes,
        }


@dataclass(frozen=True)
class Limits:
    """The limits that a user sets; None sets no limit."""

    max_ms: float | None = None
    """Largest median time of one run, in milliseconds."""
    max_mb: float | None = None
    min_top1: float | None = None
    """Smallest published top-1 accuracy, in percent."""

    def __post_init__(self) -> None:
        """Refuses limits that are impossible.

        Raises:
            InputError: a limit is not above zero, or an accuracy is no percentage.
        """
        for name, value in (("max_ms", self.max_ms), ("max_mb", self.max_mb), ("min_top1", self.min_top1)):
            if value is not None:
                bounds.number(name, value, 0, above=True, allowed="a number above 0")
        if self.min_top1 is not None:
            bounds.number("min_top1", self.min_top1, 1, 100, above=True, allowed="percent, e.g. 60")

    @property
    def any(self) -> bool:
        """Whether any limit is set."""
        return (self.max_ms, self.max_mb, self.min_top1) != (None, None, None)

    def broken(self, candidate: Candidate) -> str:
        """Returns the first limit that a candidate breaks, in a few words; empty if it keeps all limits."""
        if self.max_ms is not None and candidate.measured.median_ms > self.max_ms:
            return "too slow"
        if self.max_mb is not None and candidate.megabytes > self.max_mb:
            return "too large"
        if self.min_top1 is not None and (candidate.top1 is None or candidate.top1 < self.min_top1):
            return "too inaccurate"
        return ""

    def __str__(self) -> str:
        named = (("at most {:g} ms", self.max_ms), ("at most {:g} MB", self.max_mb), ("at least {:g}%", self.min_top1))
        return ", ".join(text.format(value) for text, value in named if value is not None)


def pareto(candidates: Sequence[Candidate], max_mb: float | None = None) -> tuple[Candidate, ...]:
    """Returns the Pareto front of time and accuracy, fastest first: the candidates that no other one beats.

    File size depends little on the input, so it is a limit and not an axis of the front: candidates larger than
    `max_mb` are ignored. Candidates without a published accuracy are ignored, too, because they cannot be compared.
    """
    rated = [one for one in candidates if one.top1 is not None and (max_mb is None or one.megabytes <= max_mb)]
    front = [one for one in rated if not any(other.beats(one) for other in rated)]
    return tuple(sorted(front, key=lambda one: (one.measured.median_ms, one.variant.stem)))


def pick(front: Sequence[Candidate], limits: Limits) -> Candidate | None:
    """Returns the most accurate candidate within the limits, or the fastest one if only an accuracy is required.

    The result is None if no candidate keeps the limits, or no limits are set.
    """
    fitting = [candidate for candidate in front if limits.any and not limits.broken(candidate)]
    if limits.max_ms is None and limits.max_mb is None:
        return min(fitting, key=lambda one: one.measured.median_ms, default=None)
    return max(fitting, key=lambda one: (one.top1 or 0, -one.measured.median_ms), default=None)
