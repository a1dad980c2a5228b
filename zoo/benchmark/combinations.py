"""Chooses what is measured: which file on which runtime, with how many threads, on what hardware."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import InputError, listed
from zoo.runner.formats import Form, form_of
from zoo.runner.loading import runtimes as known

Devices = dict[Form, dict[str, str | None]]
"""What else than the CPU runs files, by their format: the options `delegate` and `provider` of `zoo.runner.load`."""


def combinations(files: list[Path], runtimes: Sequence[str], threads: Sequence[int]) -> list[tuple[Path, str, int]]:
    """Returns each file with each runtime that runs its format; with all where none does, which is an error later."""
    found = []
    for file in files:
        fitting = _fitting(file, runtimes)
        found += list(itertools.product([file], fitting or dict.fromkeys(runtimes), dict.fromkeys(threads)))
    return found


def left_out(files: Sequence[Path], runtimes: Sequence[str]) -> tuple[str, ...]:
    """Says which of the runtimes cannot run which file, one line for each file that others run."""
    return tuple(
        f"{file.name} is not run by {listed(others)}, which cannot run {form_of(file)} files"
        for file in dict.fromkeys(files)
        if (others := [name for name in dict.fromkeys(runtimes) if name not in _fitting(file, runtimes)])
    )


def _fitting(file: Path, runtimes: Sequence[str]) -> list[str]:
    """Returns the runtimes that run a file's format, each once."""
    able = known.of_form(form_of(file))
    return [name for name in dict.fromkeys(runtimes) if name == "auto" or name in able]


def devices(files: list[Path], delegate: str | None, provider: str | None) -> Devices:
    """Returns what else than the CPU runs the files of each format.

    Raises:
        InputError: none of the files can be run by it.
    """
    forms = {form_of(file) for file in files}
    for option, value, form in (("delegate", delegate, ".tflite"), ("provider", provider, ".onnx")):
        if value is not None and form not in forms:
            raise InputError(f"the {option} {value!r} is for {form} files, and none is given; leave --{option} out")
    return {".tflite": {"delegate": delegate}, ".onnx": {"provider": provider}}
