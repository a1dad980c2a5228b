"""Ours and another's work in turn, round by round, so that what slows the machine for a while hits both alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from zoo.benchmark.statistics import Spread, ratio


class Versus(TypedDict):
    """Medians of two sides, and how many times as much the other's is: above 1 ours is better."""

    unit: str
    plain: float
    ours: float
    ratio: float
    """The median of the rounds' own ratios, plain by ours."""
    p10: float
    p90: float
    rounds: int


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Gives the seconds of some work when called."""

    def run() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run


def in_turn(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measures each once a round, after a round that does not count: it fills the caches.

    Args:
        works: by name; each does its work and gives what was measured.
        rounds: how many.

    Returns:
        By name, what each gave in each round.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for done in range(rounds + 1):
        # None always follows the same other.
        for name in works if done % 2 else reversed(list(works)):
            value = works[name]()
            if done:
                found[name].append(value)
    return found


def versus(plain: Sequence[float], ours: Sequence[float], unit: str, scale: float = 1.0) -> Versus:
    """Compares what was measured in the same rounds.

    Args:
        plain: the other's, one a round; less is better.
        ours: likewise.
        unit: of both, after `scale`.
        scale: to come to it, e.g. 1e3 for ms from seconds.
    """
    spread = ratio(plain, ours)
    return {
        "unit": unit,
        "plain": scale * float(np.median(plain)),
        "ours": scale * float(np.median(ours)),
        "ratio": spread.median,
        "p10": spread.p10,
        "p90": spread.p90,
        "rounds": len(ours),
    }


def versus_pairs(pairs: Sequence[Sequence[float]], unit: str, scale: float = 1.0) -> Versus:
    """The same, from a (plain, ours) of each round."""
    return versus([plain for plain, _ in pairs], [ours for _, ours in pairs], unit, scale)


def ratio_text(row: Mapping[str, Any]) -> str:
    """The ratio of a `Versus` with its spread, e.g. `1.02x (0.94 to 1.07)`."""
    return f"{row['ratio']:.2f}x ({row['p10']:.2f} to {row['p90']:.2f})"


def spread(values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """The 10th, 50th and 90th percentile, for JSON."""
    found = Spread.of([scale * value for value in values])
    return {"median": found.median, "p10": found.p10, "p90": found.p90}
