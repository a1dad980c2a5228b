"""Tries a file in a process of its own first, because an interpreter can crash on a damaged or hostile one.

The structure of every file is checked in Python before it is loaded (`modelfile.read`). Interpreters trust what no such
check can judge, such as an operation's options, and end the process where that is wrong. So a file that was neither
made nor tried on this machine before (`zoo.runner.known`) is loaded and run once by a child process; one that fails
there is refused. The checksum in a file has no say in that: an attacker can compute one.

A trial finds what ends a process. Do not run files of unknown origin with more rights than they deserve.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from zoo import processes
from zoo.errors import ModelFileError, ZooError
from zoo.runner import delegates, known, runtimes
from zoo.tflite import card, modelfile

SECONDS = 120
"""How long a trial may take; VGG-16 took 30 s on an emulated board."""


NOT_LOADED = 3
"""The exit code of a child whose runtime does not load the file."""
FAILED = 4
"""The exit code of a child that met an error which its parent will meet, too, and can report."""
ENDED_WELL = 40
"""The exit code of a child that ran the file: not 0, which a hostile file may end the process with."""


class NotLoadedError(RuntimeError):
    """What a runtime says of a file that it does not load."""


def require_sound(path: Path, runtime: str, delegate: str | None = None) -> None:
    """Finds out whether a file may be loaded: by its structure and, where it is not known here, a run in a child.

    A known one whose model part is not as its card states was damaged since, on its disk; it is tried again.

    Raises:
        ModelFileError: it may not, or cannot be read.
        RuntimeError: see `require_harmless`.
    """
    modelfile.read(path)
    damaged = card.model_part(path) == "wrong"
    try:
        if not damaged and known.holds(path, runtime, delegate):
            return
        before = known.identity(path)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    if require_harmless(path, runtime, delegate) and not damaged:
        known.remember_tried(path, before, runtime, delegate)


def require_harmless(path: Path, runtime: str, delegate: str | None = None, *, seconds: float = SECONDS) -> bool:
    """Loads and runs a file once in a child process.

    Returns:
        Whether it ran to its end; False after an error that it meets in this process as well.

    Raises:
        ModelFileError: it ended the child process, or took too long.
        RuntimeError: the runtime does not load it, for the reason that it gives. It is not to be asked again in this
            process: what is an error in one can be a crash in another.
    """
    try:
        order = {"path": str(path), "runtime": runtime, "delegate": delegate}
        command = processes.command(__name__, memory=processes.free_memory(), **order)
        done = processes.run(command, seconds=seconds, errors=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"{path} is damaged or hostile: {runtime} did not finish it in {seconds:g} s") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        reason = "the memory ran out" if name == "SIGKILL" else f"{runtime} crashes on it ({name})"
        raise ModelFileError(f"{path} is damaged or hostile: {reason}; it was tried in a process of its own")
    if done.returncode == NOT_LOADED:
        raise RuntimeError(done.stdout)
    if done.returncode not in {ENDED_WELL, FAILED}:
        reason = f"the process that it was tried in ended with exit code {done.returncode} before it was done"
        raise ModelFileError(f"{path} is damaged or hostile: {reason}")
    return done.returncode == ENDED_WELL


def main(path: str, runtime: str, delegate: str | None) -> None:
    """What the child does. It says why a file is not loaded; any other error the parent meets, too, and reports it."""
    try:
        run_once(path, runtime, delegate)
    except NotLoadedError as error:
        sys.stdout.write(str(error))
        sys.exit(NOT_LOADED)
    except (ZooError, ValueError, RuntimeError, TypeError, MemoryError):
        sys.exit(FAILED)
    sys.exit(ENDED_WELL)


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
