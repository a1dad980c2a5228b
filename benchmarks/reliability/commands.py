"""Runs `zoo` commands and says how they ended.

A command runs in a fork of this process, which has already imported the modules that it needs. A start of Python with
TensorFlow takes seconds, so that thousands would take hours. The fork calls `zoo.cli.main.main`, as the command does.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.reliability.forks import crash_quietly

Outcome = Literal["done", "refused", "traceback", "crashed", "hung"]
BAD: tuple[Outcome, ...] = ("traceback", "crashed", "hung")
"""The outcomes that are faults."""

SECONDS = 120.0
"""Seconds after which a command counts as hung; the slowest one here takes a few seconds on an idle machine."""

LIGHT = (
    "zoo.cli.main",
    "zoo.cli.commands.run",
    "zoo.cli.commands.evaluate",
    "zoo.runner.evaluate",
    "ai_edge_litert.interpreter",
)
HEAVY = (
    *LIGHT, "zoo.cli.commands.train", "zoo.cli.commands.export", "zoo.cli.commands.build", "zoo.cli.commands.data",
    "zoo.cli.commands.choose", "zoo.cli.commands.info",
    "zoo.choose", "zoo.training", "zoo.export", "zoo.weights", "zoo.summary.drawing", "zoo.summary.table",
    "matplotlib.figure",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    """The status that `os.waitpid` returns."""
    out: str
    err: str
    hung: bool
    seconds: float

    @property
    def code(self) -> int:
        """The exit code; a negative number is the signal that ended the command."""
        return os.waitstatus_to_exitcode(self.status)

    @property
    def outcome(self) -> Outcome:
        """The outcome; a command that fails must print only lines that begin with `zoo: error:`."""
        if self.hung:
            return "hung"
        if self.code < 0:
            return "crashed"
        lines = self.err.splitlines()
        if self.code and not (lines and all(line.startswith("zoo: error: ") for line in lines)):
            return "traceback"
        if "Traceback (most recent call last)" in self.err:
            return "traceback"
        return "refused" if self.code else "done"


def warm(modules: Sequence[str]) -> None:
    """Imports the modules that the next commands need, without starting threads, which a fork would not have."""
    from zoo.system.quiet import quiet_tensorflow

    quiet_tensorflow()
    for name in modules:
        with contextlib.suppress(ImportError):  # an environment without LiteRT, or without TensorFlow
            importlib.import_module(name)


def run(
    args: Iterable[str | Path | bytes],
    *,
    seconds: float = SECONDS,
    prepare: Callable[[], object] = lambda: None,
    kill_after: float | None = None,
) -> Ended:
    """Runs a command and waits for its end.

    Args:
        args: the arguments of `zoo`.
        seconds: the time limit.
        prepare: a function that is called in the fork first, to set limits, another user or another folder.
        kill_after: the seconds after which the command gets SIGKILL; None for never.
    """
    return call(
        lambda: _main([os.fsdecode(arg) for arg in args]), seconds=seconds, prepare=prepare, kill_after=kill_after
    )


def call(
    work: Callable[[], object],
    *,
    seconds: float = SECONDS,
    prepare: Callable[[], object] = lambda: None,
    kill_after: float | None = None,
) -> Ended:
    """Runs a function in a fork, which ends when the function returns; see `run`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = os.fork()
        if not child:
            _be_child(work, prepare, out.fileno(), err.fileno())
        hung, status = False, None
        limit = seconds if kill_after is None else kill_after
        while status is None:
            done, found = os.waitpid(child, os.WNOHANG)
            if done:
                status = found
            elif time.monotonic() - start > limit:
                os.killpg(child, signal.SIGKILL)
                status = os.waitpid(child, 0)[1]
                hung = kill_after is None
            else:
                time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # processes that the command may have left behind
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", errors="replace"))
    return Ended(status, texts[0], texts[1], hung, time.monotonic() - start)


def count(endings: Iterable[Ended]) -> dict[str, int]:
    """Counts each outcome, including those that are faults."""
    found = Counter(ended.outcome for ended in endings)
    return {name: found[name] for name in ("done", "refused", *BAD)}


def report(result: dict[str, Any], bad: int, as_json: bool) -> None:
    """Prints the results of a script, and ends with exit code 1 if there was a fault."""
    text = json.dumps(result, indent=1) if as_json else _lines(result)
    print(text)
    if bad:
        print(f"problem: {bad} of what must not be", file=sys.stderr)
    sys.exit(1 if bad else 0)


def _lines(value: Any, indent: str = "") -> str:
    """Formats nested tables as text."""
    if not isinstance(value, dict):
        return f"{indent}{value}"
    simple = {key: inner for key, inner in value.items() if not isinstance(inner, dict | list)}
    lines = [indent + ", ".join(f"{key} {inner}" for key, inner in simple.items())] if simple else []
    for key, inner in value.items():
        if key not in simple:
            items = inner if isinstance(inner, list) else [inner]
            lines += [f"{indent}{key}:", *(_lines(item, indent + "  ") for item in items)]
    return "\n".join(lines)


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
