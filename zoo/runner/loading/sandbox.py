"""Tries a file in a separate process first, because an interpreter can crash on a damaged or hostile file.

The structure of every file is checked in Python before it is loaded (`modelfile.read`). Interpreters also trust values
that no such check can judge, such as an operation's options, and end the process if they are wrong. So a file that was
neither made nor tried on this machine before (`zoo.runner.loading.known`) is loaded and run once in a child process; if
it fails there, it is refused. A right checksum in the file does not spare it that, because an attacker can compute one.
A wrong one shows damage that neither finds, such as other weights.

A trial only detects crashes. Run files of unknown origin with as few rights as possible.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from zoo.errors import ModelFileError, ZooError
from zoo.runner import formats
from zoo.runner.loading import delegates, known, runtimes
from zoo.tflite import modelfile

SECONDS = 120
"""Time limit of a trial, in seconds; VGG-16 took 30 s on an emulated board."""
PROVIDER_SECONDS = 900
"""The same where another provider than the CPU runs the file; TensorRT builds its engine for minutes first."""


NOT_LOADED = 3
"""Exit code of a child whose runtime does not load the file."""
FAILED = 4
"""Exit code of a child with an error that the parent process will get, too, and can report."""
ENDED_WELL = 40
"""Exit code of a child that ran the file. It is not 0, because a hostile file may end the process with 0."""


COMPILED = "edgetpu-custom-op"
"""The operation in which Coral's compiler puts what an Edge TPU runs."""


class NotLoadedError(RuntimeError):
    """The runtime does not load the file; the message is its own."""


def require_sound(
    path: Path, runtime: str, delegate: str | None = None, provider: str | None = None
) -> modelfile.ModelFile:
    """Checks whether a file may be loaded: its structure, the checksum in its card, and a run if it is not known here.

    The checksum is compared with every load, because the storage of a known file may damage it, too. That of a file
    for an Edge TPU may be of the file that was compiled.

    Returns:
        The structure of the file.

    Raises:
        ModelFileError: the file may not be loaded, or cannot be read.
        RuntimeError: see `require_harmless`.
    """
    file = formats.read(path)
    if formats.model_part(path) == "wrong" and not _compiled_by_hand(file):
        raise ModelFileError(
            f"{path} was changed, or damaged, after it was written: it is not what the checksum in its card says; copy "
            "it anew, or give --trusted if you changed it yourself"
        )
    device = delegate or provider
    try:
        if known.holds(path, runtime, device):
            return file
        before = known.identity(path)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    seconds = SECONDS if provider is None else PROVIDER_SECONDS
    if require_harmless(path, runtime, delegate, provider, seconds=seconds):
        known.remember_tried(path, before, runtime, device)
    return file


def _compiled_by_hand(file: modelfile.ModelFile) -> bool:
    """Whether Coral's compiler made a file of another one, and kept the card of that one behind it.

    Where the export runs the compiler, it gives the file a card of its own.
    """
    return any(op.name == COMPILED for op in file.main.ops) and "compiled_for" not in formats.describe(file.path).card


def require_harmless(
    path: Path,
    runtime: str,
    delegate: str | None = None,
    provider: str | None = None,
    *,
    seconds: float = SECONDS,
) -> bool:
    """Loads and runs a file once in a child process.

    Returns:
        Whether the run was completed; False after an error that the parent process will get, too.

    Raises:
        ModelFileError: the file ended the child process, or took too long.
        RuntimeError: the runtime does not load the file; the message gives its reason. Do not load the file in this
            process then: an error in one process can be a crash in another.
    """
    from zoo.system import processes  # a file that is known here needs none

    try:
        order = {"path": str(path), "runtime": runtime, "delegate": delegate, "provider": provider}
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


def main(path: str, runtime: str, delegate: str | None, provider: str | None) -> None:
    """Runs in the child process, and reports why a file is not loaded; the parent reports all other errors."""
    try:
        run_once(path, runtime, delegate, provider)
    except NotLoadedError as error:
        sys.stdout.write(str(error))
        sys.exit(NOT_LOADED)
    except (ZooError, ValueError, RuntimeError, TypeError, MemoryError):
        sys.exit(FAILED)
    sys.exit(ENDED_WELL)


def run_once(path: str, runtime: str, delegate: str | None = None, provider: str | None = None) -> None:
    """Loads a file and runs it on zeros; this can end the process."""
    options = delegates.options(runtime, delegate, provider)
    make = runtimes.module(runtime).Interpreter
    try:
        interpreter = make(model_path=path, num_threads=1, **options)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise NotLoadedError(str(error) or type(error).__name__) from error
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()
