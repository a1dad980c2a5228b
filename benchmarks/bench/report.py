"""Makes the docs' tables from docs/benchmarks.json; cog puts the results of these functions into the pages."""

from __future__ import annotations

import importlib
from pathlib import Path

from bench import results
from bench.results import Entry
from zoo.errors import InputError


def section(name: str, path: Path = results.FILE) -> str:
    """Returns a benchmark's table, and below it how, when and with which versions it was measured.

    Args:
        name: the name of a script, whose function `table` makes the table.
        path: the path of the results.

    Raises:
        InputError: the file has no result of this benchmark.
    """
    found = results.read(path).get(name)
    if found is None:
        raise InputError(f"{path} holds nothing of {name!r}; python benchmarks/all.py --only {name} measures it")
    return f"{importlib.import_module(name).table(found['result'])}\n\n{footer(found)}"


def footer(entry: Entry) -> str:
    """Says how a table was measured."""
    seconds = entry["seconds"]
    took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    load = "" if entry["load"] is None else f", load {entry['load']:g} before"
    quick = " (too few rounds to mean much: a quick run)" if entry["quick"] else ""
    return (
        f"`{entry['command']}`, {entry['date']}, {took}{load}{quick}{''.join(f'; {one}' for one in entry['problems'])}."
    )


def machines(path: Path = results.FILE) -> str:
    """Describes the machine of the benchmarks, in one line if it was the same for all."""
    lines: dict[str, list[str]] = {}
    for name, entry in results.read(path).items():
        lines.setdefault(_machine(entry), []).append(name)
    if len(lines) == 1:
        return f"All on one machine: {next(iter(lines))}."
    return "\n".join(f"- {', '.join(names)}: {line}." for line, names in lines.items())


def _machine(entry: Entry) -> str:
    of = entry["machine"]
    memory = "" if of["memory_gb"] is None else f", {of['memory_gb']:g} GB"
    versions = ", ".join(f"{name} {number}" for name, number in entry["versions"].items())
    return (
        f"{of['cpu'] or 'unknown processor'}, {of['cores']} cores{memory}, {of['system'] or 'Linux'}, kernel "
        f"{of['kernel']}, Python {of['python']}; {versions}"
    )
