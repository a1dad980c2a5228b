"""Runs Coral's compiler for the Edge TPU; `zoo.tflite.edgetpu` has the rules for files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from zoo.errors import ExportError
from zoo.export.describe import SelfDescription
from zoo.files.writing import atomic, temporary
from zoo.progress import Progress
from zoo.runner.loading import known
from zoo.system import processes, surroundings
from zoo.tflite.writing.metadata import without_files

COMPILER = "edgetpu_compiler"
TIMEOUT_SECONDS = 1800


def compiler() -> str | None:
    """Returns the path of the compiler, if it is on the PATH; relative folders in PATH are ignored."""
    return shutil.which(COMPILER, path=surroundings.environment().get("PATH", os.defpath))


def compile_model(path: Path, target: Path, *, timeout: float = TIMEOUT_SECONDS) -> None:
    """Runs the compiler on a file and moves its result to `target`.

    Raises:
        ExportError: the compiler is missing, failed, timed out, or left no model that uses the Edge TPU. Its exit
            code is not trusted: it has ended with 0 and left a stub.
    """
    program = compiler()
    if program is None:
        raise ExportError(missing_compiler(path))
    with temporary() as scratch:
        try:
            command = processes.program(program, "--show_operations", "--out_dir", str(scratch), str(path.absolute()))
            done = processes.run(command, seconds=timeout, errors=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            raise ExportError(f"{COMPILER} did not finish within {timeout:g} s") from None
        compiled = scratch / f"{path.stem}_edgetpu.tflite"
        trouble = _trouble(done, compiled)
        if trouble:
            raise ExportError(f"{COMPILER} {trouble}")
        shutil.move(compiled, target)


def missing_compiler(path: Path) -> str:
    """Returns a note on what to do without the compiler."""
    return (
        f"nothing was compiled for the Edge TPU: {COMPILER} is not on the PATH. It runs on x86-64 Linux only "
        f"(https://coral.ai/docs/edgetpu/compiler); there, run: {COMPILER} {path.name}"
    )


def _trouble(done: subprocess.CompletedProcess[str], compiled: Path) -> str:
    """Returns what went wrong, or an empty text."""
    if done.returncode < 0:
        return f"crashed (signal {-done.returncode}){_tail(done.stdout)}"
    if done.returncode > 0:
        return f"failed with exit code {done.returncode}{_tail(done.stdout)}"
    if "compiled successfully" not in done.stdout:
        return f"ended without saying that it compiled the model{_tail(done.stdout)}"
    mapped = re.search(r"Number of operations that will run on Edge TPU:\s*(\d+)", done.stdout)
    if mapped and int(mapped[1]) == 0:
        return "mapped no operation to the Edge TPU"
    if not compiled.is_file() or b"edgetpu-custom-op" not in compiled.read_bytes():
        return "left no compiled model behind"
    return ""


def _tail(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|fail|abort|invalid|not ", line, re.IGNORECASE)]
    picked = (errors or lines)[-1:]
    return f": {picked[0][:300]}" if picked else ""


def compile_beside(path: Path, description: SelfDescription, notes: list[str], progress: Progress) -> Path | None:
    """Runs the Edge TPU compiler, if it is installed, and adds labels and card to its file, too."""
    if not compiler():
        notes.append(missing_compiler(path))
        return None
    progress.step(f"running {COMPILER}")
    target = path.with_name(f"{path.stem}_edgetpu.tflite")
    try:
        with atomic(target) as scratch:
            compile_model(path, scratch)
            # The compiler may or may not keep the files behind a model, so they are removed and added again.
            scratch.write_bytes(description.announce(without_files(scratch.read_bytes())))
            description.append(scratch, compiled_for="edgetpu")
        known.remember_made(target)
    except ExportError as error:
        raise ExportError(f"{error}; {path} is the int8 file, not compiled") from error
    return target
