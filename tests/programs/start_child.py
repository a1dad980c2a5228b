"""Starts a child in a folder that is on the import path in every way: `start_child.py KIND FILE FOLDER MODULE...`.

The modules are loaded before, and so are all modules that this process itself needs.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import zoo
from zoo.benchmark import coldstart
from zoo.export.lower.lowering import lower
from zoo.export.tflite import converter
from zoo.export.tflite.settings import Settings
from zoo.runner import doctor
from zoo.runner.loading import sandbox
from zoo.system import processes


def convert(_: Path) -> None:
    """Runs TensorFlow's converter in a child."""
    assert converter.convert_on_disk(lower(zoo.build("mlp")), Settings())[4:8] == b"TFL3"


def echo(_: Path) -> None:
    """Runs a program that is not Python."""
    assert processes.run(processes.program("/bin/echo", "ran"), seconds=60).stdout == "ran\n"


def measure(file: Path) -> None:
    """Measures a cold start."""
    assert coldstart.cold_start(file, runtime="litert", threads=1).total_ms > 0


def ask(task: str, file: str) -> None:
    """Makes `zoo doctor` try something in a child."""
    assert doctor._in_a_process(task, "litert", file) == (None, ())


KINDS: dict[str, Callable[[Path], object]] = {
    "trial": lambda file: sandbox.require_harmless(file, "litert"),
    "cold start": measure,
    "doctor, a runtime": lambda _: ask("import", ""),
    "doctor, a file": lambda file: ask("run", str(file)),
    "converter": convert,
    "program": echo,
}

kind, path, folder, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
os.chdir(folder)
os.environ["PYTHONPATH"] = f":.:{folder}"
sys.path[:0] = ["", ".", folder]
KINDS[kind](Path(path))
