"""Runs `zoo` commands and says how they ended.

A command runs in a fork of this process, which has imported all that it needs: a start of Python with TensorFlow takes
seconds, so that thousands would take hours. The fork calls `zoo.cli.main.main`, as the command does.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["done", "refused", "traceback", "crashed", "hung"]
BAD: tuple[Outcome, ...] = ("traceback", "crashed", "hung")
"""The outcomes that are faults."""

ZOO = "import sys; sys.argv[0] = 'zoo'; from zoo.cli.main import main; main()"
"""The program of the command `zoo`, for `python -c`."""
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
HEAVY = ("zoo.choose", "zoo.compress", "zoo.export", "zoo.summary", "zoo.training", "zoo.weights")
"""The packages of commands that need TensorFlow; all their modules are imported."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    """The status that `os.waitpid` returns."""
    out: str
    err: str
    hung: bool
    seconds: float
    processor: float
    """Seconds of processor time of the process, which do not depend on what else the machine does."""

    @property
    def code(self) -> int:
        """The exit code; a negative number is the signal that ended the command."""
        return os.waitstatus_to_exitcode(self.status)

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
    from zoo.system.quiet import quiet, quiet_tensorflow

    quiet_tensorflow()
    for name in RUNTIMES:
        with contextlib.suppress(ImportError):  # an environment with another runtime
            importlib.import_module(name)
    with quiet():
        for name in LIGHT + (("tensorflow", "keras", "matplotlib.pyplot") if heavy else ()):
            importlib.import_module(name)
        for package in map(importlib.import_module, HEAVY if heavy else ()):
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                importlib.import_module(module.name)


def run(
    args: Iterable[str | Path | bytes],
    *,
    seconds: float = SECONDS,
    prepare: Callable[[], object] = lambda: None,
    kill_after: float | None = None,
    kill_at: float | None = None,
) -> Ended:
    """Runs a command and waits for its end.

    Args:
        args: the arguments of `zoo`.
        seconds: the time limit.
        prepare: a function that is called in the fork first, to set limits, another user or another folder.
        kill_after: the seconds after which the command gets SIGKILL; None for never.
        kill_at: the seconds of its own processor time after which it gets SIGKILL; None for never.
    """
    words = [os.fsdecode(arg) for arg in args]
    return call(lambda: _main(words), seconds=seconds, prepare=prepare, kill_after=kill_after, kill_at=kill_at)


def call(
    work: Callable[[], object],
    *,
    seconds: float = SECONDS,
    prepare: Callable[[], object] = lambda: None,
    kill_after: float | None = None,
    kill_at: float | None = None,
) -> Ended:
    """Runs a function in a fork, which ends when the function returns; see `run`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = os.fork()
        if not child:
            _be_child(work, prepare, out.fileno(), err.fileno())
        with contextlib.suppress(OSError):  # the child does the same, and may have ended; whoever is first
            os.setpgid(child, child)
        hung = False
        while not (ended := os.wait4(child, os.WNOHANG))[0]:
            passed = time.monotonic() - start
            late = passed > (seconds if kill_after is None else kill_after)
            hung = late and kill_after is None
            if late or (kill_at is not None and _processor(child) > kill_at):
                os.killpg(child, signal.SIGKILL)
                ended = os.wait4(child, 0)
                break
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # processes that the command may have left behind
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", errors="replace"))
    _, status, used = ended
    return Ended(status, texts[0], texts[1], hung, time.monotonic() - start, used.ru_utime + used.ru_stime)


def _processor(pid: int) -> float:
    """Returns the seconds of processor time that a process has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def must(args: Iterable[str | Path], *, seconds: float = 600, prepare: Callable[[], object] = lambda: None) -> Ended:
    """Runs a command that has to end without an error.

    Raises:
        RuntimeError: it does not.
    """
    args = list(args)
    ended = run(args, seconds=seconds, prepare=prepare)
    if ended.outcome != "done":
        raise RuntimeError(f"zoo {' '.join(map(str, args))}: {ended.outcome}: {ended.err}")
    return ended


def count_endings(endings: Iterable[Ended]) -> dict[str, int]:
    """Counts each outcome, including those that are faults."""
    found = Counter(ended.outcome for ended in endings)
    return {name: found[name] for name in ("done", "refused", *BAD)}


def faults_in(rows: Iterable[dict[str, int] | dict[str, str | int]]) -> int:
    """Returns the number of outcomes in some rows that are faults."""
    return sum(int(row[name]) for row in rows for name in BAD)


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


def _main(args: list[str]) -> None:
    from zoo.cli.main import main

    sys.argv = ["zoo", *args]
    main(args)


def _be_child(work: Callable[[], object], prepare: Callable[[], object], out: int, err: int) -> None:
    code = 1
    try:
        crash_quietly()
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as Python opens it
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        prepare()
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  # as Python itself does at the top
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            code = 120  # Python does the same
            sys.stderr.write("Traceback (most recent call last): standard output cannot be flushed\n")
        sys.stderr.flush()
        os._exit(code)
