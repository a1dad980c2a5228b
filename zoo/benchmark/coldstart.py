"""Measures cold start and peak memory of a file in a process that does nothing else.

Only a new process gives right values for both: a runtime that is already loaded hides the cost of the first call, and
allocated memory is seldom returned.
"""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from zoo.benchmark.workload import some_input
from zoo.errors import ModelFileError
from zoo.machine.procfs import kilobytes
from zoo.runner.loading import runtimes, sandbox
from zoo.runner.loading.session import load
from zoo.system import processes

SETTLE_RUNS = 3
"""Number of runs before the peak memory is read, because the first ones may still allocate."""

SECONDS = 600
"""Time limit of the process, in seconds."""


@dataclass(frozen=True)
class ColdStart:
    """Time in milliseconds and memory in bytes of a new process. The file itself is in the system's cache."""

    total_ms: float
    """Time from the start of Python to the first result: imports, check, loading and first run."""
    check_ms: float
    """Part of it that checks the file: its structure, its checksum and, if the file was neither made nor tried on this
    machine before, a trial run in a separate process."""
    load_ms: float
    """Part of it that loads the file; the runtime's library is loaded before."""
    first_run_ms: float
    """Part of it that the first run takes."""
    peak_bytes: int | None
    """Peak resident memory of the process, including the parts of the mapped file that it used; None if Linux does not
    show it."""
    before_bytes: int | None
    """Memory that the process held before it loaded the file: Python, numpy and the runtime's library."""


def cold_start(
    path: Path, *, runtime: str, threads: int, delegate: str | None = None, provider: str | None = None
) -> ColdStart:
    """Runs a file once in a new process.

    Raises:
        ModelFileError: the run fails, also by a crash or because the system kills the process for lack of memory.
    """
    device = {"delegate": delegate, "provider": provider}
    order: dict[str, Any] = {"path": str(path.absolute()), "runtime": runtime, "threads": threads, **device}
    command = processes.command(__name__, **order)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as chatter:
        started = time.perf_counter()
        with processes.running(command, seconds=SECONDS, errors=chatter) as process:
            assert process.stdout  # noqa: S101  # for the type checker
            process.stdout.readline()
            total = time.perf_counter() - started
            found = process.stdout.readline()
        if process.returncode != 0 or not found:
            chatter.seek(0)
            late = time.perf_counter() - started >= SECONDS
            reason = f"it did not finish within {SECONDS} s" if late else _reason(process.returncode, chatter.read())
            raise ModelFileError(f"{path} fails in a fresh process on {runtime}: {reason}")
    return ColdStart(total_ms=1e3 * total, **json.loads(found))


def _reason(code: int, chatter: str) -> str:
    if code < 0:
        return f"signal {-code} ended it" + (", perhaps for lack of memory" if -code == signal.SIGKILL else "")
    lines = chatter.strip().splitlines()
    # The type of an error is of no use to a user.
    return re.sub(r"^zoo\.errors\.\w+: ", "", lines[-1]) if lines else f"it ended with exit code {code} and no word"


def main(path: str, runtime: runtimes.Runtime, threads: int, delegate: str | None, provider: str | None) -> None:
    """Loads and runs the file in the new process, reports the first result at once, then runs it again and reports."""
    # The output of native libraries must not get between our two lines.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as report:
        os.dup2(2, 1)
        runtimes.find(runtime)
        _report(report, Path(path), runtime, threads, delegate, provider)


def _report(
    report: TextIO, path: Path, runtime: runtimes.Runtime, threads: int, delegate: str | None, provider: str | None
) -> None:
    before = peak_memory()
    started = time.perf_counter()
    sandbox.require_sound(path, runtime, delegate, provider)
    checked = time.perf_counter()
    device: dict[str, Any] = {"delegate": delegate, "provider": provider}
    session = load(path, runtime=runtime, threads=threads, **device, trusted=True)
    loaded = time.perf_counter()
    values = some_input(session.input)
    ready = time.perf_counter()
    session.run(values)
    first = time.perf_counter()
    report.write("ready\n")
    report.flush()
    for _ in range(SETTLE_RUNS):
        session.run(values)
    steps = {"check_ms": checked - started, "load_ms": loaded - checked, "first_run_ms": first - ready}
    found = {name: 1e3 * seconds for name, seconds in steps.items()}
    json.dump({**found, "peak_bytes": peak_memory(), "before_bytes": before}, report)
    report.write("\n")


def peak_memory() -> int | None:
    """Returns the peak memory of this process so far, in bytes; None if Linux does not show it.

    The value is `VmHWM`, because on Linux the peak in Python's `resource` starts with the parent's size.
    """
    return kilobytes(Path("/proc/self/status"), "VmHWM")
