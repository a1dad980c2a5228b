"""The child processes of this package, and the one way in which they are started.

A child is an isolated interpreter (`python -I`): neither the current folder nor `PYTHONPATH` lends it code. It gets the
import path and the variables that `zoo.surroundings` picks, no standard input, limits of time and memory, and ends when
its parent does. A program that is not Python is started by such a child, so that all of it holds there, too.
Standard library only.
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

from zoo import surroundings

_CODE = """
import importlib, json, sys
order = json.loads(sys.argv.pop())
path = order.pop("path")
sys.path[:] = path + [entry for entry in sys.path if entry not in path and entry.startswith("/")]
importlib.import_module(order.pop("starter")).begin(**order)
"""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(module: str, *, memory: int | None = None, **order: Any) -> list[str]:
    """The command line of a process that calls a module's `main(**order)`.

    Args:
        module: the full name of the module.
        memory: the bytes that it may take; by default what the machine has.
        **order: values that fit into JSON.
    """
    return _command(memory, module=module, order=order)


def program(path: str, *arguments: str) -> list[str]:
    """The command line of a process that becomes another program, found at an absolute `path`."""
    return _command(None, program=[path, *arguments])


def _command(memory: int | None, **order: Any) -> list[str]:
    order["memory"] = all_memory() if memory is None else memory
    whole = {"path": surroundings.import_path(), "starter": __name__, "parent": os.getpid(), **order}
    # Isolated, Python heeds no variable of its own; what they have set here is handed over.
    flags = ["-I", *(["-B"] if sys.dont_write_bytecode else []), *(["-X", "utf8"] if sys.flags.utf8_mode else [])]
    return [sys.executable, *flags, "-c", _CODE, json.dumps(whole)]


def run(words: list[str], *, seconds: float, errors: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Runs what `command` or `program` made, to its end.

    Args:
        words: the command line.
        seconds: the time limit.
        errors: the destination of its standard error: `PIPE`, `STDOUT` or `DEVNULL` of `subprocess`.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was ended.
        OSError: it cannot be started.
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
    """Starts what `command` made, to be read from while it runs; it is killed when the block fails.

    Args:
        words: the command line.
        seconds: the time limit; then the process is killed, so that a read ends.
        errors: the file that its standard error goes to.

    Raises:
        OSError: it cannot be started.
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
    """What a child does first: ends with its parent, keeps to its limits, then calls the module or becomes the program.

    Args:
        parent: the process that started it.
        memory: the bytes that it may take, so that one that asks for terabytes fails before the system starts to kill
            processes; None: no limit.
        module: the one with a `main`.
        order: the arguments of `main`.
        program: and its arguments, instead of a module.
    """
    _end_with(parent)
    limit(resource.RLIMIT_CORE, 0)  # what crashes on a hostile file leaves no image of our memory
    if memory is not None:
        limit(resource.RLIMIT_DATA, memory)
    if program:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what it ignores the program would
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
    """Bytes that can be taken without swapping; None where Linux does not say."""
    return _meminfo().get("MemAvailable")


def all_memory() -> int | None:
    """Bytes of memory and swap that the machine has; None where Linux does not say."""
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
    except ProcessLookupError:  # it ended before that
        os._exit(1)
    except PermissionError:  # of another user: none of ours, the number was given away again
        os._exit(1)
