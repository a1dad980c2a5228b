"""Time per operation, where a runtime measures it itself.

No other way is sound: an interpreter that is made to keep each operation's result, or to stop after it, no longer runs
the fused and delegated graph whose time is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from zoo.benchmark.workload import some_input
from zoo.errors import MissingDependencyError
from zoo.runner import runtimes
from zoo.runner.session import Array, Session

RUNS = 50


@dataclass(frozen=True)
class OpTime:
    """How long one operation takes."""

    name: str
    type: str
    mean_us: float
    share: float
    """Share of the time of all operations, 0..1."""


class Profiler(Protocol):
    """What a runtime's module has under this name, where the runtime can measure its operations."""

    def __init__(self, path: Path, threads: int) -> None:
        """Loads a file, apart from the session whose latency is measured: counters cost time."""

    def __call__(self, values: Array, runs: int) -> list[tuple[str, str, float]]:
        """The name, the type and the mean microseconds of each operation that ran, in their order."""


def require_profiler(session: Session) -> type[Profiler]:
    """The profiler of a session's runtime.

    Raises:
        MissingDependencyError: it has none; the message says what does.
    """
    profiler = getattr(runtimes.module(session.runtime), "Profiler", None)
    if profiler is None:
        # LiteRT 2.3 and tflite-runtime 2.14: their interpreters take no profiler from Python.
        raise MissingDependencyError(
            f"{session.runtime} shows Python no time per operation; leave --profile out, use --runtime openvino, or "
            f"TensorFlow's own tool: benchmark_model --graph={session.path} --enable_op_profiling=true"
        )
    return cast("type[Profiler]", profiler)


def profile(session: Session, threads: int, runs: int = RUNS) -> tuple[OpTime, ...]:
    """The mean time of each operation over some runs, in the order they run.

    Raises:
        MissingDependencyError: the runtime measures none.
    """
    profiler = require_profiler(session)(session.path, threads)
    ops = profiler(some_input(session.input), runs)
    total = sum(mean for _, _, mean in ops) or 1.0
    return tuple(OpTime(name, kind, mean, mean / total) for name, kind, mean in ops)
