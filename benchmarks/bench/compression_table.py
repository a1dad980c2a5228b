"""Makes the tables of `compression.py` for docs/compression.md: means over the seeds, with their spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import pruning_table
from bench.cells import mean, table, time_of

Rows = list[dict[str, Any]]
BASE = "float"
"""What rows of float files are called."""


def compression(result: dict[str, Any]) -> str:
    """Returns the tables of all cases that were measured."""
    head = (
        f"{result['pictures']:,} training pictures, {result['test']:,} held-out ones; {_trainings(result)}. Points are "
        "those below the float file of the same training."
    )
    tables = [CASES[name](found) for name, found in result["cases"].items()]
    return "\n\n".join(filter(None, [head, summary(result["cases"]), *tables]))


def _trainings(result: dict[str, Any]) -> str:
    """Says how many trainings each figure is the mean of; not every case has as many as were asked for."""
    most = len(result["seeds"])
    if most == 1:
        return "one training"
    text = f"the mean of {most} trainings, with half of their range behind ±"
    trained = {name: {row["seed"] for row in found["rows"] if "seed" in row} for name, found in result["cases"].items()}
    single = [name for name, seeds in trained.items() if len(seeds) == 1]
    return text + f" (one training: {', '.join(single)})" * bool(single)


SUMMARIZED = {"mobilenet_v2": "MobileNetV2", "alexnet": "AlexNet", "teacher": "LeNet"}
"""The cases that one table shows beside each other, all with the same pictures, and what their nets are called."""


def summary(cases: Mapping[str, dict[str, Any]]) -> str:
    """Returns one table of all files that name the same clothes; empty where only one case was measured."""
    there = [name for name in SUMMARIZED if name in cases]
    lines = [
        (f"{SUMMARIZED[name]}: {cells[0]}", *cells[1:3], cells[-1])
        for name in there
        for cells in _lines([row for row in cases[name]["rows"] if row["bytes"]], ("how",), str, base="", times=True)
    ]
    return table(("on Fashion-MNIST", "size", "accuracy", "one run"), lines) if len(there) > 1 else ""


def lenet(found: dict[str, Any]) -> str:
    """Shows LeNet by the bits of its weights."""
    columns = ("LeNet on MNIST", "size", "accuracy", "points lost")
    return table(
        columns, _lines(found["rows"], ("bits", "how"), lambda bits, how: how if bits == 32 else f"{bits} bits: {how}")
    )


def mobilenet(found: dict[str, Any]) -> str:
    """Shows MobileNetV2 by what was done to it, and what a diagnosis said before."""
    columns = ("MobileNetV2 on Fashion-MNIST", "size", "accuracy", "points lost", "one run")
    text = table(columns, _lines(found["rows"], ("how",), lambda how: how, times=True))
    whole, worst = found["diagnosis"]["whole"], found["diagnosis"]["per_tensor"]
    layers = ", ".join(f"`{one['layer']}` {one['divergence']:.3g}" for one in worst)
    told = (
        f"`zoo diagnose` said before: changed classes {whole['int8']['changed']:.1%} in int8, "
        f"{whole['per_tensor']['changed']:.1%} with one scale for each kernel; of those that lose most there, in nats: "
        f"{layers}. Its advice: {'; '.join(found['diagnosis']['advice'])}."
    )
    return f"{text}\n\n{told}"


def teacher(found: dict[str, Any]) -> str:
    """Shows a model that learned with a teacher beside one without."""
    columns = ("LeNet on Fashion-MNIST, int8", "size", "accuracy", "points below the teacher", "one run")
    return table(columns, _lines(found["rows"], ("how",), lambda how: how, base="the teacher", times=True))


def detector(found: dict[str, Any]) -> str:
    """Shows a detector's mAP."""
    columns = ("a detector", "size", "mAP", "points lost", "one run")
    return table(columns, _lines(found["rows"], ("how",), lambda how: how, times=True))


CASES: dict[str, Callable[[dict[str, Any]], str]] = {
    "lenet": lenet,
    "mobilenet_v2": mobilenet,
    "teacher": teacher,
    "detector": detector,
    **pruning_table.CASES,
}


def _lines(
    rows: Rows, keys: Sequence[str], name: Callable[..., str], *, base: str = BASE, times: bool = False
) -> list[tuple[str, ...]]:
    """Returns a line for each kind of row, in the order in which the kinds come first."""
    kinds = list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))
    of_base = {row["seed"]: row["score"] for row in rows if row["how"] == base}
    lines: list[tuple[str, ...]] = []
    for kind in kinds:
        own = [row for row in rows if tuple(row[key] for key in keys) == kind]
        lost = (
            ""
            if base in kind or not of_base
            else mean([100 * (of_base[row["seed"]] - row["score"]) for row in own], "{:+.1f}")
        )
        size = "" if own[0]["bytes"] is None else f"{own[0]['bytes'] / 1e3:,.0f} kB"
        line = (name(*kind), size, f"{mean([100 * row['score'] for row in own], '{:.1f}')}%", lost)
        lines.append((*line, time_of(own)) if times else line)
    return lines
