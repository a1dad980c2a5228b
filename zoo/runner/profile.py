"""Time per operation, where a runtime measures it itself.

No other way is sound: an interpreter that is made to keep each operation's result, or to stop after it, no longer runs
the fused and delegated graph whose time is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from zoo.errors import MissingDependencyError
from zoo.runner import backends

Profiler = Callable[[], list[tuple[str, str, float]]]
"""Runs the model once; returns the name, the type and the microseconds of each operation, in the order they ran."""

RUNS = 20


@dataclass(frozen=True)
class OpTime:
    """How long one operation takes."""

    name: str
    type: str
    median_us: float
    share: float
    """Of the time of all operations, 0..1."""


def require_profiler(session: backends.Session) -> Profiler:
    """The profiler of a session: its method `profile`, where its runtime has one.

    Raises:
        MissingDependencyError: it has none; the message says what does.
    """
    profiler = getattr(session, "profile", None)
    if profiler is None:
        # LiteRT 2.3 and tflite-runtime 2.14: their interpreters take no profiler from Python.
        raise MissingDependencyError(
            f"{session.runtime} shows Python no time per operation; leave --profile out, or use TensorFlow's own tool: "
            f"benchmark_model --graph={session.path} --enable_op_profiling=true"
        )
    return cast(Profiler, profiler)


def profile(session: backends.Session, runs: int = RUNS) -> tuple[OpTime, ...]:
    """The median time of each operation over some runs, in the order they run.

    Raises:
        MissingDependencyError: the runtime measures none.
    """
    profiler = require_profiler(session)
    profiler()  # what comes first in a fresh graph is not typical
    rounds: list[list[tuple[str, str, float]]] = [profiler() for _ in range(runs)]
    medians = [float(np.median(times)) for times in zip(*map(_microseconds, rounds), strict=True)]
    total = sum(medians) or 1.0
    return tuple(
        OpTime(name, kind, median, median / total) for (name, kind, _), median in zip(rounds[0], medians, strict=True)
    )


def _microseconds(ops: list[tuple[str, str, Any]]) -> list[float]:
    return [float(microseconds) for _, _, microseconds in ops]
