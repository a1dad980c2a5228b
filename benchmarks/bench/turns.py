"""Runs our work and another's in turn, round by round, so that a slow spell of the machine hits both alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from zoo.benchmark.statistics import Spread, ratio


class Versus(TypedDict):
    """Medians of two sides, and the ratio of the other's to ours: above 1 ours is better."""

    unit: str
    plain: float
    ours: float
    ratio: float
    """The median of the rounds' ratios, the other's figure divided by ours."""
    p10: float
    p90: float
    rounds: int


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Returns a function that does some work and returns its seconds."""

    def run() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run


def in_turn(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measures each work once in every round, after a first round that only fills the caches.

    Args:
        works: functions by name; each does its work and returns what was measured.
        rounds: the number of rounds.

    Returns:
        For each name, the measurements of all rounds.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for done in range(rounds + 1):
        # The order changes, so that no work always follows the same other one.
        for name in works if done % 2 else reversed(list(works)):
            value = works[name]()
            if done:
                found[name].append(value)
    return found


def versus(plain: Sequence[float], ours: Sequence[float], unit: str, scale: float = 1.0) -> Versus:
    """Compares measurements of the same rounds.

    Args:
        plain: the other's figures, one for each round; less is better.
        ours: our figures, likewise.
        unit: the unit of both, after scaling.
        scale: the factor that gives this unit, e.g. 1e3 for ms from seconds.
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
    """Compares like `versus`, from a pair (plain, ours) for each round."""
    return versus([plain for plain, _ in pairs], [ours for _, ours in pairs], unit, scale)


def ratio_text(row: Mapping[str, Any]) -> str:
    """Returns the ratio of a `Versus` with its spread, e.g. `1.02x (0.94 to 1.07)`."""
    return f"{row['ratio']:.2f}x ({row['p10']:.2f} to {row['p90']:.2f})"


def spread(values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """Returns the 10th, 50th and 90th percentile, for JSON."""
    found = Spread.of([scale * value for value in values])
    return {"median": found.median, "p10": found.p10, "p90": found.p90}
