"""Makes the tables of `compression.py` for docs/compression.md: means over the seeds, with their spread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.cells import mean, time_of
from tables import markdown_table
from zoo.cli.output import megabytes

Row = dict[str, Any]
BASE = "float"
"""What rows of float files are called."""
SUMMARIZED = {"mobilenet_v2": "MobileNetV2", "alexnet": "AlexNet", "teacher": "LeNet"}
"""The cases that one table shows beside each other, all with the same pictures, and what their nets are called."""


def compression(result: dict[str, Any]) -> str:
    """Returns the tables of all cases that were measured."""
    head = (
        f"{result['pictures']:,} training pictures, {result['test']:,} held-out ones; {_trainings(result)}. Points are "
        "those below the float file of the same training."
    )
    tables = [CASES[name](found) for name, found in result["cases"].items()]
    return "\n\n".join(filter(None, [head, _summary(result["cases"]), *tables]))


def _trainings(result: dict[str, Any]) -> str:
    """Says how many trainings each figure is the mean of; not every case has as many as were asked for."""
    most = len(result["seeds"])
    if most == 1:
        return "one training"
    text = f"the mean of {most} trainings, with half of their range behind ±"
    trained = {name: {row["seed"] for row in found["rows"] if "seed" in row} for name, found in result["cases"].items()}
    single = [name for name, seeds in trained.items() if len(seeds) == 1]
    return text + f" (one training: {', '.join(single)})" * bool(single)


def _summary(cases: dict[str, Any]) -> str:
    """Returns one table of all files that name the same clothes; empty where only one case was measured."""
    there = [name for name in SUMMARIZED if name in cases]
    lines = [
        (f"{SUMMARIZED[name]}: {how}", _kilobytes(own), score, time_of(own))
        for name in there
        for own, how, score, _ in _kinds([row for row in cases[name]["rows"] if row["bytes"]])
    ]
    return markdown_table(("on Fashion-MNIST", "size", "accuracy", "one run"), lines) if len(there) > 1 else ""


def _lenet(found: dict[str, Any]) -> str:
    kinds = _kinds(found["rows"], lambda row: row["how"] if row["bits"] == 32 else f"{row['bits']} bits: {row['how']}")
    lines = [(how, _kilobytes(own), score, lost) for own, how, score, lost in kinds]
    return markdown_table(("LeNet on MNIST", "size", "accuracy", "points lost"), lines)


def _files(what: str, found: dict[str, Any], *, score: str = "accuracy", base: str = BASE) -> str:
    below = "points lost" if base == BASE else f"points below {base}"
    lines = [
        (how, _kilobytes(own), score, lost, time_of(own)) for own, how, score, lost in _kinds(found["rows"], base=base)
    ]
    return markdown_table((what, "size", score, below, "one run"), lines)


def _mobilenet(found: dict[str, Any]) -> str:
    whole, worst = found["diagnosis"]["whole"], found["diagnosis"]["per_tensor"]
    layers = ", ".join(f"`{one['layer']}` {one['divergence']:.3g}" for one in worst)
    return (
        f"{_files('MobileNetV2 on Fashion-MNIST', found)}\n\n"
        f"`zoo diagnose` said before: changed classes {whole['int8']['changed']:.1%} in int8, "
        f"{whole['per_tensor']['changed']:.1%} with one scale for each kernel; of those that lose most there, in nats: "
        f"{layers}. Its advice: {'; '.join(found['diagnosis']['advice'])}."
    )


def _pruned(what: str, found: dict[str, Any]) -> str:
    lines = [
        (
            how,
            *(f"{own[0][name] / 1e6:.3g} M" for name in ("macs", "params")),
            score,
            lost,
            megabytes(own[0]["bytes"]),
            time_of(own),
        )
        for own, how, score, lost in _kinds(found["rows"])
    ]
    return markdown_table((what, "MACs", "parameters", "accuracy", "points lost", "float file", "one run"), lines)


def _scores(found: dict[str, Any]) -> str:
    """Shows what is left without training, by the score and the share that is kept."""
    whole, *keeps = dict.fromkeys(row["keep"] for row in found["rows"])
    by_keep = {
        keep: {how: score for _, how, score, _ in _kinds([row for row in found["rows"] if row["keep"] == keep])}
        for keep in (whole, *keeps)
    }
    lines = [(how, *(by_keep[keep][how] for keep in keeps)) for how in by_keep[keeps[0]]]
    columns = (f"not trained; whole {by_keep[whole][BASE]}", *(f"{keep:.0%} of the MACs" for keep in keeps))
    return markdown_table(columns, lines)


def _zeros(found: dict[str, Any]) -> str:
    lines = [
        (
            f"{row['zeros']:.0%} zeros" + (", sparse file" if row["sparse"] else ""),
            megabytes(row["bytes"]),
            megabytes(row["zipped"]),
            time_of([row]),
        )
        for row in found["rows"]
    ]
    return markdown_table(("MobileNetV2, 224x224, float", "size", "zipped", "one run"), lines)


CASES: dict[str, Callable[[dict[str, Any]], str]] = {
    "lenet": _lenet,
    "mobilenet_v2": _mobilenet,
    "teacher": functools.partial(_files, "LeNet on Fashion-MNIST, int8", base="the teacher"),
    "detector": functools.partial(_files, "a detector", score="mAP"),
    "alexnet": functools.partial(_pruned, "AlexNet on Fashion-MNIST"),
    "scores": _scores,
    "widths": functools.partial(_pruned, "MobileNetV2 on Fashion-MNIST"),
    "zeros": _zeros,
}


def _kinds(
    rows: Sequence[Row], name: Callable[[Row], str] = lambda row: str(row["how"]), *, base: str = BASE
) -> Iterator[tuple[list[Row], str, str, str]]:
    """Yields the rows of each kind, its name, its mean score, and the points below the base of the same seed."""
    of_base = {row["seed"]: row["score"] for row in rows if row["how"] == base}
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(name(row), []).append(row)
    for kind, own in kinds.items():
        lost = [100 * (of_base[row["seed"]] - row["score"]) for row in own if row["how"] != base and of_base]
        yield (
            own,
            kind,
            f"{mean([100 * row['score'] for row in own], '{:.1f}')}%",
            mean(lost, "{:+.1f}") if lost else "",
        )


def _kilobytes(rows: Sequence[Row]) -> str:
    return "" if rows[0]["bytes"] is None else f"{rows[0]['bytes'] / 1e3:,.0f} kB"
