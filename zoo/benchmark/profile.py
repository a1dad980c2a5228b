"""Measures the time of each operation, if the runtime itself can do that.

No other way gives right values: an interpreter that keeps each operation's result, or stops after it, no longer runs
the fused and delegated graph that is to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from zoo.benchmark.workload import some_input
from zoo.errors import MissingDependencyError
from zoo.runner.loading import runtimes
from zoo.runner.loading.session import Array, Session

RUNS = 50


@dataclass(frozen=True)
class OpTime:
    """The time of one operation."""

    name: str
    type: str
    mean_us: float
    share: float
    """Share of the time of all operations, 0..1."""


class Profiler(Protocol):
    """The class `Profiler` of a runtime's module, if the runtime can measure its operations."""

    def __init__(self, path: Path, threads: int, **device: str | None) -> None:
        """Loads a file separately from the session whose latency is measured, because the counters take time.

        `device` is the provider, for a runtime that has some.
        """

    def __call__(self, values: Array, runs: int) -> list[tuple[str, str, float]]:
        """Returns name, type and mean time in microseconds of each operation that ran, in order."""


def require_profiler(session: Session) -> type[Profiler]:
    """Returns the profiler of a session's runtime.

    Raises:
        MissingDependencyError: the runtime has none; the message names one that has.
    """
    profiler = getattr(runtimes.module(session.runtime), "Profiler", None)
    if profiler is None:
        # LiteRT 2.3 and tflite-runtime 2.14: their interpreters take no profiler from Python.
        raise MissingDependencyError(
            f"{session.runtime} shows Python no time per operation; leave --profile out, use --runtime openvino, or "
            f"TensorFlow's own tool: benchmark_model --graph={session.path} --enable_op_profiling=true"
        )
    return cast("type[Profiler]", profiler)


def profile(session: Session, threads: int, runs: int = RUNS, *, provider: str | None = None) -> tuple[OpTime, ...]:
    """Returns the mean time of each operation over some runs, in their order.

    Raises:
        MissingDependencyError: the runtime measures none.
    """
    device = {} if provider is None else {"provider": provider}
    profiler = require_profiler(session)(session.path, threads, **device)
    ops = profiler(some_input(session.input), runs)
    total = sum(mean for _, _, mean in ops) or 1.0
    return tuple(OpTime(name, kind, mean, mean / total) for name, kind, mean in ops)
