"""Starts all child processes of this package.

A child is an isolated interpreter (`python -I`) that imports no code from the current folder or `PYTHONPATH`. It gets
the import path and the variables that `zoo.system.surroundings` picks, no standard input, and limits of time and
memory. It ends when its parent ends. A program that is not Python is started by such a child, so that the same holds
for it. This module needs only the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from zoo.system import surroundings

_CODE = """
import importlib, json, sys
order = json.loads(sys.argv.pop())
path = order.pop("path")
sys.path[:] = path + [entry for entry in sys.path if entry not in path and entry.startswith("/")]
importlib.import_module(order.pop("starter")).begin(**order)
"""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(module: str, *, memory: int | None = None, **order: Any) -> list[str]:
    """Returns the command line of a process that calls a module's `main(**order)`.

    Args:
        module: the full name of the module.
        memory: the most bytes that the process may take; by default the machine's memory and swap.
        **order: values that JSON can hold.
    """
    return _command(memory, module=module, order=order)


def program(path: str, *arguments: str) -> list[str]:
    """Returns the command line of a process that becomes another program, found at an absolute `path`."""
    return _command(None, program=[path, *arguments])


def _command(memory: int | None, **order: Any) -> list[str]:
    order["memory"] = all_memory() if memory is None else memory
    whole = {"path": surroundings.import_path(), "starter": __name__, "parent": os.getpid(), **order}
    # An isolated Python ignores its own variables, so that their effects in this process are handed over here.
    flags = ["-I", *(["-B"] if sys.dont_write_bytecode else []), *(["-X", "utf8"] if sys.flags.utf8_mode else [])]
    return [sys.executable, *flags, "-c", _CODE, json.dumps(whole)]


def run(words: list[str], *, seconds: float, errors: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Runs a command line from `command` or `program` and waits for its end.

    Args:
        words: the command line.
        seconds: the time limit.
        errors: the destination of its standard error: `PIPE`, `STDOUT` or `DEVNULL` of `subprocess`.

    Raises:
        subprocess.TimeoutExpired: the process took longer and was killed.
        OSError: the process cannot be started.
    """
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=surroundings.environment(),
        timeout=seconds,
        text=True,
        errors="replace",
        check=False,
    )


@contextlib.contextmanager
def running(words: list[str], *, seconds: float, errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """Starts a command line from `command`, whose output is read while it runs; an error in the block kills it.

    Args:
        words: the command line.
        seconds: the time limit; the process is killed then, so that a read ends.
        errors: the file for its standard error.

    Raises:
        OSError: the process cannot be started.
    """
    pipe = subprocess.PIPE
    environment = surroundings.environment()
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=errors, env=environment, text=True
    ) as child:
        limit = threading.Timer(seconds, child.kill)
        limit.daemon = True
        limit.start()
        try:
            yield child
        except BaseException:
            child.kill()
            raise
        finally:
            child.wait()
            limit.cancel()


def begin(
    parent: int,
    *,
    memory: int | None,
    module: str = "",
    order: dict[str, Any] | None = None,
    program: list[str] | None = None,
) -> None:
    """Prepares a child process, and then calls the module or becomes the program.

    The child sets its limits, and has the system kill it when its parent ends.

    Args:
        parent: the process that started it.
        memory: the most bytes that it may take, so that a child that asks for terabytes fails before the system starts
            to kill processes; None sets no limit.
        module: the module with a `main`.
        order: the arguments of `main`.
        program: a program and its arguments, instead of a module.
    """
    _end_with(parent)
    limit(resource.RLIMIT_CORE, 0)  # a crash on a malicious file writes no core dump
    if memory is not None:
        limit(resource.RLIMIT_DATA, memory)
    if program:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these; the program would, too
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execv(program[0], program)  # noqa: S606  # no shell is wanted
        except OSError as error:
            sys.exit(f"it cannot be started: {error.strerror or error}")
    surroundings.import_elsewhere()
    importlib.import_module(module).main(**(order or {}))


def limit(kind: int, value: int) -> None:
    """Lowers one of this process's limits (`resource.RLIMIT_...`), as far as the system lets it."""
    most = resource.getrlimit(kind)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def free_memory() -> int | None:
    """Returns the bytes of memory that are free without swapping; None if Linux does not say."""
    return _meminfo().get("MemAvailable")


def all_memory() -> int | None:
    """Returns the bytes of memory and swap that the machine has; None if Linux does not say."""
    found = _meminfo()
    return found["MemTotal"] + found.get("SwapTotal", 0) if "MemTotal" in found else None


def _meminfo(path: Path = Path("/proc/meminfo")) -> dict[str, int]:
    found = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            found[name] = 1024 * int(value.split()[0])
    return found


def _end_with(parent: int) -> None:
    """Has the system kill this process when its parent ends; `PR_SET_PDEATHSIG` outlives `execve`."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.kill(parent, 0)
    except ProcessLookupError:  # the parent has ended already
        os._exit(1)
    except PermissionError:  # the number belongs to another user's process now, so the parent has ended
        os._exit(1)
