"""Reads and writes the results of the benchmarks as one JSON file, each with command, date, machine and versions."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

from bench import ROOT
from zoo.errors import InputError
from zoo.files.reading import read_text
from zoo.files.writing import atomic
from zoo.machine.info import read_machine
from zoo.versions import installed

FORMAT = 1
FILE = ROOT / "docs" / "benchmarks.json"
ENTRY = {"command", "quick", "date", "seconds", "load", "machine", "versions", "problems", "result"}
"""What is kept of a benchmark's last run.

`quick` runs have too few rounds for reliable figures; `load` is the number of processes that ran or waited for a core
before it began; `problems` are the script's complaints, if it gave figures but was not content with them.
"""
MACHINE = {"cpu", "features", "cores", "memory_gb", "system", "kernel", "python"}
"""The facts that figures depend on, and nothing that could identify the machine."""
Entry = dict[str, Any]


def entry(command: str, quick: bool, seconds: float, load: float | None, result: dict[str, Any]) -> Entry:
    """Makes the entry of a run that has just ended."""
    return {
        "command": command,
        "quick": quick,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "seconds": round(seconds, 1),
        "load": load,
        "machine": this_machine(),
        "versions": versions(),
        "problems": result.get("problems", []),
        "result": result,
    }


def this_machine() -> dict[str, Any]:
    """Returns the facts about this machine that its figures depend on."""
    machine = read_machine()
    return {
        "cpu": machine.cpu,
        "features": list(machine.cpu_features),
        "cores": machine.usable_cores,
        "memory_gb": None if machine.memory_bytes is None else round(machine.memory_bytes / 1e9, 1),
        "system": machine.system,
        # The text behind the numbers names the builder of the kernel.
        "kernel": (re.match(r"[\d.]*\d", machine.kernel) or [machine.kernel])[0],
        "python": machine.python,
    }


def versions() -> dict[str, str]:
    """Returns the versions of those packages that matter and are installed."""
    return installed("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow", "click")


def read(path: Path = FILE) -> dict[str, Entry]:
    """Reads and checks a file of results by the names of the benchmarks; a missing file has none.

    Raises:
        InputError: the file is not a file of results; the message names the first fault.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(read_text(path, "results"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("benchmarks"), dict):
        raise InputError(f"{path} does not hold benchmarks' results: no object of format {FORMAT} with benchmarks")
    entries: dict[str, Entry] = found["benchmarks"]
    for name, one in entries.items():
        _check(name, one, path)
    return entries


def write(entries: dict[str, Entry], path: Path = FILE) -> None:
    """Writes a file of results, whole or not at all.

    Raises:
        InputError: the results are not in the right form.
        OutputError: the file cannot be written.
    """
    for name, one in entries.items():
        _check(name, one, path)
    text = json.dumps(_rounded({"format": FORMAT, "benchmarks": entries}), indent=1, sort_keys=True, allow_nan=False)
    with atomic(path) as scratch:
        scratch.write_text(text + "\n", encoding="utf-8")


def _check(name: str, one: Entry, path: Path) -> None:
    wrong = (set(one) ^ ENTRY) or (set(one["machine"]) ^ MACHINE)
    if wrong:
        raise InputError(f"{path}: {name}: fields missing or unknown: {', '.join(sorted(wrong))}")


def _rounded(value: Any) -> Any:
    """Rounds numbers to six digits, because the rest is noise and makes the file's changes hard to read."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
