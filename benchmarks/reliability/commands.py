"""Runs `zoo` commands and says how they ended.

A command runs in a fork of this process, which has imported what it needs already: a start of Python with TensorFlow
takes seconds, thousands of them hours. Nothing else is different: the fork calls `zoo.cli.main.main`, which ends it.
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

Outcome = Literal["done", "refused", "traceback", "crashed", "hung"]
BAD: tuple[Outcome, ...] = ("traceback", "crashed", "hung")
"""What must not be."""

SECONDS = 120.0
"""After which a command counts as hung; the longest of those here takes a few seconds on an idle machine."""

LIGHT = ("zoo.cli.main", "zoo.cli.run", "zoo.cli.evaluate", "zoo.runner.evaluate", "ai_edge_litert.interpreter")
HEAVY = (
    *LIGHT, "zoo.cli.train", "zoo.cli.export", "zoo.cli.build", "zoo.cli.data", "zoo.cli.choose", "zoo.cli.info",
    "zoo.choose", "zoo.training", "zoo.export", "zoo.weights", "zoo.summary.drawing", "zoo.summary.table", "matplotlib.figure",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    """As `os.waitpid` gives it."""
    out: str
    err: str
    hung: bool
    seconds: float

    @property
    def code(self) -> int:
        """The exit code; negative: the signal that ended it."""
        return os.waitstatus_to_exitcode(self.status)

    @property
    def outcome(self) -> Outcome:
        """A command that fails has to say so in lines that begin with `zoo: error:`, and in nothing else."""
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
    """Imports what the commands to come need, and does not start it: a thread would not be there in a fork."""
    from zoo.quiet import quiet_tensorflow

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
    """Runs a command to its end.

    Args:
        args: of `zoo`.
        seconds: it may take.
        prepare: called in the fork before: limits, another user, another folder.
        kill_after: SIGKILL comes after so many seconds.
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
    """Runs a function in a fork that ends with it; see `run`."""
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
            os.killpg(child, signal.SIGKILL)  # what it may have left behind
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", errors="replace"))
    return Ended(status, texts[0], texts[1], hung, time.monotonic() - start)


def count(endings: Iterable[Ended]) -> dict[str, int]:
    """How many of each outcome, those that must not be among them."""
    found = Counter(ended.outcome for ended in endings)
    return {name: found[name] for name in ("done", "refused", *BAD)}


def report(result: dict[str, Any], bad: int, as_json: bool) -> None:
    """Prints what a script found, and ends with exit code 1 where something was that must not be."""
    text = json.dumps(result, indent=1) if as_json else _lines(result)
    print(text)
    if bad:
        print(f"problem: {bad} of what must not be", file=sys.stderr)
    sys.exit(1 if bad else 0)


def _lines(value: Any, indent: str = "") -> str:
    """Nested tables for people."""
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
    """Takes from root what lets it read and write where no permission is given; other users have no such rights."""
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
            code = 120  # as Python does
            sys.stderr.write("Traceback (most recent call last): standard output cannot be flushed\n")
        sys.stderr.flush()
        os._exit(code)
