"""Runs `zoo` commands and says how they ended.

A command runs in a fork of this process, which has imported all that it needs: a start of Python with TensorFlow takes
seconds, so that thousands would take hours. The fork calls `zoo.cli.main.main`, as the command does.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.processes import processor_seconds

Outcome = Literal["done", "refused", "traceback", "crashed", "hung"]
BAD: tuple[Outcome, ...] = ("traceback", "crashed", "hung")
"""The outcomes that are faults."""

FORKS = multiprocessing.get_context("fork")
SECONDS = 120.0
"""Seconds after which a command counts as hung; the slowest one here takes a few seconds on an idle machine."""

LIGHT = (
    "zoo.cli.main",
    "zoo.cli.commands.run",
    "zoo.cli.commands.evaluate",
    "zoo.runner.evaluate",
    "zoo.onnx.reading.outline",
)
RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "onnxruntime")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """The exit code; a negative number is the signal that ended the command."""
    out: str
    err: str
    hung: bool
    seconds: float
    processor: float
    """Seconds of processor time of the process, which do not depend on what else the machine does."""

    @property
    def outcome(self) -> Outcome:
        """The outcome; a command that fails must print an error's line, and besides only such lines and notes."""
        if self.hung:
            return "hung"
        if self.code < 0:
            return "crashed"
        lines = [line for line in self.err.splitlines() if not line.startswith("note: ")]
        if self.code and not (lines and all(line.startswith("zoo: error: ") for line in lines)):
            return "traceback"
        if "Traceback (most recent call last)" in self.err:
            return "traceback"
        return "refused" if self.code else "done"


def warm(*, heavy: bool) -> None:
    """Imports the modules that the next commands need, without starting threads, which a fork would not have.

    Args:
        heavy: whether commands follow that need TensorFlow.
    """
    from tests.programs.warm import import_all
    from zoo.system.quiet import quiet, quiet_onnxruntime, quiet_tensorflow

    quiet_tensorflow()
    quiet_onnxruntime()
    for name in RUNTIMES:
        with contextlib.suppress(ImportError):  # an environment with another runtime
            importlib.import_module(name)
    with quiet():
        for name in LIGHT:
            importlib.import_module(name)
        if heavy:
            import_all()


def run(args: Iterable[str | Path | bytes], **how: Any) -> Ended:
    """Runs a command, given by the arguments of `zoo`, and waits for its end; see `call`."""
    words = [os.fsdecode(arg) for arg in args]

    def work() -> None:
        from zoo.cli.main import main

        sys.argv = ["zoo", *words]
        main(words)

    return call(work, **how)


def must(args: Iterable[str | Path], **how: Any) -> Ended:
    """Runs a command that has to end without an error; see `call`.

    Raises:
        RuntimeError: it does not.
    """
    args = list(args)
    ended = run(args, **{"seconds": 600, **how})
    if ended.outcome != "done":
        raise RuntimeError(f"zoo {' '.join(map(str, args))}: {ended.outcome}: {ended.err}")
    return ended


def call(
    work: Callable[[], object],
    *,
    seconds: float = SECONDS,
    prepare: Callable[[], object] = lambda: None,
    meanwhile: Callable[[], object] = lambda: None,
    kill_after: float | None = None,
    kill_at: float | None = None,
) -> Ended:
    """Runs a function in a fork, which ends when the function returns.

    Args:
        work: the function.
        seconds: the time limit.
        prepare: a function that is called in the fork first, to set limits, another user or another folder.
        meanwhile: a function that is called here, again and again, while the fork runs.
        kill_after: the seconds after which the fork gets SIGKILL; None for never.
        kill_at: the seconds of its own processor time after which it gets SIGKILL; None for never.
    """
    hung, used, start = False, 0.0, time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = FORKS.Process(target=_begin, args=(work, prepare, out.fileno(), err.fileno()))
        child.start()
        assert child.pid
        with contextlib.suppress(OSError):  # the child does the same, and may have ended; whoever is first
            os.setpgid(child.pid, child.pid)
        while child.exitcode is None:
            used = processor_seconds(child.pid)
            meanwhile()
            late = time.monotonic() - start > (seconds if kill_after is None else kill_after)
            if late or (kill_at is not None and used > kill_at):
                hung = late and kill_after is None
                os.killpg(child.pid, signal.SIGKILL)
                child.join()
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # processes that the command may have left behind
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return Ended(child.exitcode, said[0], said[1], hung, time.monotonic() - start, used)


def _begin(work: Callable[[], object], prepare: Callable[[], object], out: int, err: int) -> None:
    crash_quietly()
    os.setpgid(0, 0)
    for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(stream, number)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as Python opens it
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    prepare()
    work()


def crash_quietly() -> None:
    """Makes a crash of this process silent: no Python stack in a stream of its parent, and no core file.

    pytest makes Python write the stacks of a crash directly to the terminal, past all capturing of output, and a fork
    inherits that. A command that a user starts does not do this.
    """
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def without_privileges() -> None:
    """Drops root's capabilities to read and write without permission; other users do not have them."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3; this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the low words, then the high ones
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for i in range(3):
        sets[i] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")
