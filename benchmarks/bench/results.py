"""Reads and writes the results of the benchmarks as one JSON file, each with command, date, machine and versions."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any, TypedDict, cast

from zoo.errors import InputError
from zoo.files import atomic, read_text
from zoo.machine.info import read_machine, read_state
from zoo.versions import installed

FORMAT = 1
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow", "click")
FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.json"


class Machine(TypedDict):
    """The facts that figures depend on, and nothing that could identify the machine."""

    cpu: str | None
    features: list[str]
    cores: int
    memory_gb: float | None
    system: str | None
    kernel: str
    python: str


class Entry(TypedDict):
    """The last run of a benchmark."""

    command: str
    quick: bool
    """Whether this was a quick run, which has too few rounds for reliable figures."""
    date: str
    seconds: float
    """The time that the run took, in seconds."""
    load: float | None
    """Number of processes that ran or waited for a core before the run began."""
    machine: Machine
    versions: dict[str, str]
    problems: list[str]
    """The script's complaint, if it gave figures but was not content with them."""
    result: dict[str, Any]


class Results(TypedDict):
    """The contents of the whole file."""

    format: int
    benchmarks: dict[str, Entry]


def entry(command: str, quick: bool, seconds: float, load: float | None, problems: list[str], result: Any) -> Entry:
    """Makes the entry of a run that has just ended."""
    return {
        "command": command,
        "quick": quick,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "seconds": round(seconds, 1),
        "load": load,
        "machine": this_machine(),
        "versions": versions(),
        "problems": problems,
        "result": result,
    }


def this_machine(root: Path = Path("/")) -> Machine:
    """Returns the facts about this machine that its figures depend on."""
    machine = read_machine(root)
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


def load_now() -> float | None:
    """See `Entry.load`."""
    return read_state().load


def versions() -> dict[str, str]:
    """Returns the versions of those packages that matter and are installed."""
    return installed(*PACKAGES)


def read(path: Path = FILE) -> Results:
    """Reads and checks a file of results; a missing file has no results.

    Raises:
        InputError: the file is not a file of results; the message names the first fault.
    """
    if not path.exists():
        return {"format": FORMAT, "benchmarks": {}}
    try:
        found = json.loads(read_text(path, "results"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    problem = check(found)
    if problem:
        raise InputError(f"{path} does not hold benchmarks' results: {problem}")
    return cast(Results, found)


def check(found: Any) -> str | None:
    """Says what is wrong with results from a file; None if nothing is."""
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("benchmarks"), dict):
        return f"no object of format {FORMAT} with benchmarks"
    for name, one in found["benchmarks"].items():
        for kind, keys in ((one, Entry), (one.get("machine") if isinstance(one, dict) else None, Machine)):
            wanted = set(keys.__annotations__)
            if not isinstance(kind, dict) or set(kind) != wanted:
                given = set(kind) if isinstance(kind, dict) else set()
                return f"{name}: fields missing or unknown: {', '.join(sorted(given ^ wanted))}"
        if not isinstance(one["result"], dict):
            return f"{name}: the result is no object"
    return None


def write(results: Results, path: Path = FILE) -> None:
    """Writes a file of results, whole or not at all.

    Raises:
        InputError: the results are not in the right form.
        OutputError: the file cannot be written.
    """
    problem = check(results)
    if problem:
        raise InputError(f"these are no results to keep: {problem}")
    with atomic(path) as scratch:
        text = json.dumps(_rounded(results), indent=1, sort_keys=True, allow_nan=False)
        scratch.write_text(text + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Rounds numbers to six digits, because the rest is noise and makes the file's changes hard to read."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
