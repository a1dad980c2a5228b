"""Finds out which runtimes and hardware this machine has, and whether a file runs here."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError, in_one_line
from zoo.inputs.pictures.camera import video_devices
from zoo.machine.info import Machine, State, read_machine, read_state
from zoo.machine.procfs import ROOT, text
from zoo.runner import formats
from zoo.runner.loading import delegates, runtimes
from zoo.runner.outlook import outlook
from zoo.system import processes
from zoo.system.quiet import quiet

PACKAGES = ("edgezoo", "numpy", "pillow", "opencv-python-headless", "opencv-python", "picamera2")
SECONDS = 600
"""Time limit for importing a runtime and trying a file, in seconds; the trial has its own process and time limit."""
USB_EDGETPU = {("1a6e", "089a"): "not yet started", ("18d1", "9302"): "started"}
"""USB vendor and product numbers of a Coral stick, which change when the runtime loads its firmware."""


@dataclass(frozen=True)
class RuntimeState:
    """A runtime, and whether it works on this machine."""

    name: str
    version: str | None
    """Installed version; None if it is not installed."""
    problem: str | None
    """Reason why it does not work, with the command that helps; None if it works."""
    providers: tuple[str, ...] = ()
    """What its build can run a file on, see `zoo.runner.loading.providers`; empty for a runtime without providers."""


@dataclass(frozen=True)
class FileState:
    """Whether a file runs with a runtime on this machine."""

    runtime: str
    problem: str | None
    """Reason why it did not run; None if it ran."""


@dataclass(frozen=True)
class Diagnosis:
    """All results of the diagnosis."""

    machine: Machine
    state: State
    packages: dict[str, str]
    runtimes: tuple[RuntimeState, ...]
    edgetpu_library: str | None
    """Library of the Edge TPU's runtime; None if it is not installed."""
    edgetpu_devices: tuple[str, ...]
    cameras: tuple[str, ...]
    file: tuple[FileState, ...] | None
    """One result for each runtime that works; None if no file was given."""
    runner: dict[str, str] | None
    """What the file is for, what it takes and what comes out, see `zoo.runner.outlook`; None if no file was given."""

    @property
    def well(self) -> bool:
        """Whether at least one runtime works and, if a file was given, runs it."""
        if self.file is not None:
            return any(state.problem is None for state in self.file)
        return any(state.problem is None for state in self.runtimes)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {**dataclasses.asdict(self), "well": self.well}


def diagnose(path: str | Path | None = None, *, root: Path = ROOT) -> Diagnosis:
    """Examines the machine.

    Args:
        path: a `.tflite` or `.onnx` file to run once with each runtime of its format that works, each time in a
            separate process.
        root: the folder that holds `proc`, `sys` and `dev`.

    Raises:
        ModelFileError: the file cannot be read, or is no such file, so that no runtime need be asked.
    """
    if path is not None:
        formats.require_kind(path)
    with ThreadPoolExecutor() as pool:
        states = tuple(pool.map(_runtime_state, runtimes.RUNTIMES))
        of_form = runtimes.of_form(None if path is None else formats.form_of(path))
        working = [state.name for state in states if state.problem is None and state.name in of_form]
        file = None if path is None else tuple(pool.map(lambda name: _file_state(Path(path), name), working))
    return Diagnosis(
        machine=read_machine(root),
        state=read_state(root),
        packages={name: version for name in PACKAGES if (version := _version(name))},
        runtimes=states,
        edgetpu_library=delegates.edgetpu_library(),
        edgetpu_devices=edgetpu_devices(root),
        cameras=tuple(map(_camera_name, video_devices(root))),
        file=file,
        runner=None if path is None else _outlook(path),
    )


def _outlook(path: str | Path) -> dict[str, str]:
    try:
        return outlook(formats.read(path), formats.describe(path).card)
    except ZooError as error:
        return {"input": f"refused: {in_one_line(error)}"}


def edgetpu_devices(root: Path = ROOT) -> tuple[str, ...]:
    """Lists the Edge TPUs on USB and PCIe."""
    found = []
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        numbers = (text(device / "idVendor"), text(device / "idProduct"))
        if numbers in USB_EDGETPU:
            found.append(f"USB {device.name} ({USB_EDGETPU[numbers]})")
    found += [f"PCIe {device}" for device in sorted((root / "dev").glob("apex_*"))]
    return tuple(found)


def _camera_name(device: Path) -> str:
    name = text(device.parent.parent / "sys/class/video4linux" / device.name / "name")
    return f"/dev/{device.name} ({name})" if name else f"/dev/{device.name}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _runtime_state(name: str) -> RuntimeState:
    version = runtimes.version(name)
    if version is None:
        return RuntimeState(name, None, f"not installed: {runtimes.RUNTIMES[name].install}")
    problem, there = _in_a_process("import", name, "")
    return RuntimeState(name, version, problem, there)


def _file_state(path: Path, name: str) -> FileState:
    return FileState(name, _in_a_process("run", name, str(path))[0])


def _in_a_process(task: str, runtime: str, path: str) -> tuple[str | None, tuple[str, ...]]:
    """Runs a task in a separate process, which may crash.

    Returns:
        What failed, None if nothing did; and the providers of the runtime.
    """
    command = processes.command(__name__, task=task, runtime=runtime, path=path)
    try:
        done = processes.run(command, seconds=SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not finish within {SECONDS} s", ()
    if done.returncode < 0:
        return f"signal {-done.returncode} ended its process", ()
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return in_one_line(lines[-1]) if lines else f"exit code {done.returncode}", ()
    problem, there = json.loads(done.stdout.splitlines()[-1])
    return problem, tuple(there)


def main(task: str, runtime: runtimes.Runtime, path: str) -> None:
    """Runs in the separate process: prints the problem, or null, and the runtime's providers as JSON."""
    problem, there = None, list[str]()
    try:
        with quiet():
            runtimes.find(runtime)
            if runtime == delegates.ONNXRUNTIME:
                there = runtimes.module(runtime).providers_here()
            if task == "run":
                from zoo.runner.loading.session import load

                session = load(path, runtime=runtime)
                session.run(np.zeros(session.input.shape, session.input.dtype))
    except ZooError as error:
        problem = in_one_line(error)
    sys.stdout.write(json.dumps([problem, there]) + "\n")
