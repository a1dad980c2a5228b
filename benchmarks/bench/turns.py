"""Runs our work and another's in turn, round by round, so that a slow spell of the machine hits both alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, TypeVar

import numpy as np

from zoo.benchmark.interleave import Candidate, time_runs
from zoo.benchmark.statistics import Spread, ratio

Name = TypeVar("Name")
Measured = TypeVar("Measured")


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


def in_turn(works: Mapping[Name, Callable[[], Measured]], rounds: int) -> dict[Name, list[Measured]]:
    """Measures each work once in every round, after a first round that only fills the caches.

    Args:
        works: functions by name; each does its work and returns what was measured.
        rounds: the number of rounds.

    Returns:
        For each name, the measurements of all rounds.
    """
    found: dict[Name, list[Measured]] = {name: [] for name in works}
    for done in range(rounds + 1):
        # The order changes, so that no work always follows the same other one.
        for name in works if done % 2 else reversed(list(works)):
            value = works[name]()
            if done:
                found[name].append(value)
    return found


def rounds_within(works: Mapping[Name, Callable[[], object]], seconds: float, most: int) -> int:
    """Returns how many rounds, five at the least, some works can be measured in for some seconds; does each once."""
    return max(5, min(most, int(seconds / timed(lambda: in_turn(works, 0))())))


def compare(
    plain: Callable[[], float], ours: Callable[[], float], rounds: int, unit: str = "s", scale: float = 1.0
) -> Versus:
    """Measures two works in turn, and compares them; see `versus`."""
    found = in_turn({"plain": plain, "ours": ours}, rounds)
    return versus(found["plain"], found["ours"], unit, scale)


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


def spread(values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """Returns the 10th, 50th and 90th percentile, for JSON."""
    found = Spread.of([scale * value for value in values])
    return {"median": found.median, "p10": found.p10, "p90": found.p90}


def loaded(files: Mapping[Name, Path | tuple[Path, str]], runs: int) -> dict[Name, Candidate]:
    """Loads files of the project's own for one thread each, and runs them in turn; see `Candidate.record`.

    Args:
        files: paths by name, some of them with a runtime, which is chosen otherwise.
        runs: the number of timed runs of each file.
    """
    given = {name: file if isinstance(file, tuple) else (file, "auto") for name, file in files.items()}
    found = {name: Candidate(path, runtime, 1, None, trusted=True) for name, (path, runtime) in given.items()}
    time_runs(list(found.values()), runs, warmup=3)
    return found
