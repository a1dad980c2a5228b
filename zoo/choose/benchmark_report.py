"""Reads measurements from another machine: the output of `zoo benchmark --json` on a board."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.choose.front import Measured
from zoo.choose.variants import Variant
from zoo.errors import InputError, listed
from zoo.files.reading import read_text
from zoo.text import count_of


@dataclass(frozen=True)
class Board:
    """The measurements of combinations in such a document."""

    measured: dict[Variant, Measured]
    unknown: tuple[str, ...]
    """Files in the document that belong to no combination."""
    machine: str
    runtime: str
    threads: int
    says_classes: bool
    """Whether the document says of all files how many classes they have; those of older versions do not."""


def read_board(
    path: Path, variants: Sequence[Variant], *, runtime: str | None = None, threads: int | None = None
) -> Board:
    """Finds the combinations' files in a document by the names that `zoo build` and `zoo choose --files` give them.

    Args:
        path: the path of the document.
        variants: the combinations.
        runtime: the runtime to take, if the document has several.
        threads: the number of threads to take, if the document has several.

    Raises:
        InputError: the document cannot be read, is not the output of `zoo benchmark --json`, has none of the files, has
            one of them more than once, or was measured with another number of classes.
    """
    document = _parse(path)
    by_stem = {variant.stem: variant for variant in variants}
    found: dict[Variant, Measured] = {}
    setups: set[tuple[str, int]] = set()
    unknown = []
    says_classes = True
    for entry in document["measurements"]:
        if runtime not in {None, entry["runtime"]} or threads not in {None, entry["threads"]}:
            continue
        # The board may write paths with another separator.
        name = re.split(r"[/\\]", entry["file"])[-1]
        variant = by_stem.get(name.removesuffix(".tflite").removesuffix("_edgetpu"))
        if variant is None or entry["batch"] != 1:
            unknown.append(name)
            continue
        _check_classes(path, name, variant, entry)
        says_classes = says_classes and bool(entry.get("outputs"))
        setups.add((entry["runtime"], entry["threads"]))
        if len(setups) > 1:
            measured_with = [f"{r} with {count_of(t, 'thread')}" for r, t in sorted(setups)]
            raise InputError(
                f"{path} has measurements of {listed(measured_with)}; say which to take with --runtime and --threads"
            )
        if variant in found:
            raise InputError(f"{path} has {variant.stem} more than once; measure each file once")
        times = entry["latency"]
        found[variant] = Measured(entry["size_bytes"], times["median_ms"], times["p90_ms"], times["runs"])
    if not found:
        raise InputError(
            f"{path} has no file of these combinations; their names are as zoo build gives them, e.g. "
            f"{variants[0].stem}.tflite (zoo choose --files writes them)"
        )
    ((name, count),) = setups
    machine = document["machine"]
    called = ", ".join(part for part in (machine.get("board"), machine.get("cpu")) if part)
    return Board(found, tuple(unknown), called or "a machine without a name", name, count, says_classes)


def _check_classes(path: Path, name: str, variant: Variant, entry: dict[str, Any]) -> None:
    """Refuses a file of other classes than asked for: the name does not tell them, and size and time depend on them.

    Raises:
        InputError: the file has another number of classes.
    """
    # Documents of older versions say nothing of the outputs.
    measured = [shape[-1] for shape in entry.get("outputs", ()) if shape]
    asked = variant.values["num_classes"]
    if measured and measured != [asked]:
        raise InputError(
            f"{name} in {path} has {count_of(measured[0], 'class', 'classes')}, and {asked} are asked for, which makes "
            f"another file: give --num-classes {measured[0]}, or measure files with {asked}"
        )


def _parse(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(read_text(path, "benchmark"))
        sound = isinstance(document["machine"], dict) and all(map(_is_sound, document["measurements"]))
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise InputError(f"{path} is not what zoo benchmark --json prints")
    return document


def _is_sound(entry: dict[str, Any]) -> bool:
    times = entry["latency"]
    return (
        all(isinstance(entry[name], str) for name in ("file", "runtime"))
        and all(isinstance(size, int) for shape in entry.get("outputs", ()) for size in shape)
        and all(isinstance(entry[name], int) for name in ("size_bytes", "threads", "batch"))
        and all(isinstance(times[name], int | float) and times[name] > 0 for name in ("median_ms", "p90_ms", "runs"))
    )
