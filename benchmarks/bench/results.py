"""What the benchmarks found, as one JSON file: each with its command, date, machine and versions."""

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
    """What the figures depend on; nothing that names one machine among its like."""

    cpu: str | None
    features: list[str]
    cores: int
    memory_gb: float | None
    system: str | None
    kernel: str
    python: str


class Entry(TypedDict):
    """One benchmark's last run."""

    command: str
    quick: bool
    """A run to try things out, with too few rounds to mean much."""
    date: str
    seconds: float
    """That it took."""
    load: float | None
    """Processes that ran or waited for a core before it began."""
    machine: Machine
    versions: dict[str, str]
    problems: list[str]
    """What the script had to complain about, though it gave figures."""
    result: dict[str, Any]


class Results(TypedDict):
    """The whole file."""

    format: int
    benchmarks: dict[str, Entry]


def entry(command: str, quick: bool, seconds: float, load: float | None, problems: list[str], result: Any) -> Entry:
    """A run that ended now."""
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
        # What follows the numbers is the name of whoever built it.
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
    """Reads and checks a file of results; one that is not there holds none.

    Raises:
        InputError: it is not such a file; the first thing that is wrong.
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
    """What is wrong with results as they were read; None: nothing."""
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
        InputError: they are not as they should be.
        OutputError: the file cannot be written.
    """
    problem = check(results)
    if problem:
        raise InputError(f"these are no results to keep: {problem}")
    with atomic(path) as scratch:
        text = json.dumps(_rounded(results), indent=1, sort_keys=True, allow_nan=False)
        scratch.write_text(text + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Six digits: the rest is noise, and makes the file's changes hard to read."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
