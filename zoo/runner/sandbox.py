"""Tries a file in a process of its own first, because an interpreter can crash on a damaged or hostile one.

The structure of every file is checked in Python before it is loaded (`modelfile.read`). Interpreters trust what no such
check can judge, such as an operation's options, and end the process where that is wrong. So a file that was not made by
this package, or was changed since, is loaded and run once by a child process; one that fails there is refused.

A checksum tells which is which: it keeps accidents away, not an attacker, who can compute one. Do not run files of
unknown origin with more rights than they deserve.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from zoo.errors import ModelFileError, ZooError
from zoo.machine.procfs import kilobytes
from zoo.runner import delegates, processes, runtimes
from zoo.tflite import card, modelfile

SECONDS = 120
"""How long a trial may take; VGG-16 took 30 s on an emulated board."""


NOT_LOADED = 3
"""The exit code of a child whose runtime does not load the file."""


class NotLoadedError(RuntimeError):
    """What a runtime says of a file that it does not load."""


def require_sound(path: Path, runtime: str, delegate: str | None = None) -> None:
    """Finds out whether a file may be loaded: by its structure, and by its checksum or else a run in a child process.

    Raises:
        ModelFileError: it may not, or cannot be read.
        RuntimeError: see `require_harmless`.
    """
    modelfile.read(path)
    if card.checksum(path) != "right":
        require_harmless(path, runtime, delegate)


def require_harmless(path: Path, runtime: str, delegate: str | None = None, *, seconds: float = SECONDS) -> None:
    """Loads and runs a file once in a child process.

    Raises:
        ModelFileError: it ended the child process, or took too long.
        RuntimeError: the runtime does not load it, for the reason that it gives. It is not to be asked again in this
            process: what is an error in one can be a crash in another.
    """
    try:
        done = subprocess.run(
            processes.command(__name__, path=str(path), runtime=runtime, delegate=delegate),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"{path} is damaged or hostile: {runtime} did not finish it in {seconds:g} s") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        reason = "the memory ran out" if name == "SIGKILL" else f"{runtime} crashes on it ({name})"
        raise ModelFileError(f"{path} is damaged or hostile: {reason}; it was tried in a process of its own")
    if done.returncode == NOT_LOADED:
        raise RuntimeError(done.stdout.decode(errors="replace"))


def main(path: str, runtime: str, delegate: str | None) -> None:
    """What the child does. It says why a file is not loaded; any other error the parent meets, too, and reports it."""
    limit_memory()
    try:
        run_once(path, runtime, delegate)
    except NotLoadedError as error:
        sys.stdout.write(str(error))
        sys.exit(NOT_LOADED)
    except (ZooError, ValueError, RuntimeError, TypeError, MemoryError):
        sys.exit(1)


def run_once(path: str, runtime: str, delegate: str | None = None) -> None:
    """Loads a file and runs it on zeros, whatever becomes of this process."""
    loaded = [delegates.load_delegate(delegate, runtime)] if delegate else None
    make = runtimes.module(runtime).Interpreter
    try:
        interpreter = make(model_path=path, num_threads=1, experimental_delegates=loaded)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise NotLoadedError(str(error) or type(error).__name__) from error
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()


def limit_memory() -> None:
    """Lets a file that asks for terabytes fail, before the system starts to kill processes for it."""
    free = kilobytes(Path("/proc/meminfo"), "MemAvailable")
    if free is None:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (free, resource.getrlimit(resource.RLIMIT_DATA)[1]))
