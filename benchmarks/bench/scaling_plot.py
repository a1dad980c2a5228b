"""Draws how cost grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.plots import figure, save

# Okabe and Ito's colours, as in zoo choose: safe for the colour-blind.
_MODES = {"none": ("float32", "o", "#0072b2"), "int8": ("int8", "s", "#e69f00")}
_ONE = "#009e73"


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draws the results of `benchmarks/scaling.py` in four panels, as PNG or SVG.

    Raises:
        InputError: the file's name does not end in `.png` or `.svg`.
        OutputError: the file cannot be written.
    """
    drawing = figure(9, 6.5)
    (latency, threads), (pictures, memory) = drawing.subplots(2, 2)
    _latency(latency, found)
    _rates(threads, found["threads"], "threads")
    threads.set_xlabel("threads of the interpreter")
    threads.set_xticks([row["threads"] for row in found["threads"]])
    threads.set_title("throughput against threads", fontsize=10)
    _rates(pictures, found["pictures"], "count")
    _counts(pictures, found["pictures"])
    pictures.set_title("throughput against folder size", fontsize=10)
    rows = found["memory"]
    memory.plot([row["count"] for row in rows], [row["peak_mb"] for row in rows], "o-", color=_ONE)
    memory.set_ylim(bottom=0, top=1.3 * max(row["peak_mb"] for row in rows))
    memory.set_ylabel("peak memory of zoo run, MB")
    _counts(memory, rows)
    memory.set_title("memory against folder size", fontsize=10)
    for axes in (latency, threads, pictures, memory):
        axes.grid(alpha=0.25)
    save(drawing, path)


def _latency(axes: Any, found: Mapping[str, Any]) -> None:
    for mode, (name, marker, colour) in _MODES.items():
        rows = [row for row in found["latency"] if row["mode"] == mode]
        power = found["exponents"][mode]
        label = name if power is None else f"{name}: grows as MACs^{power:.2f}"
        axes.errorbar(
            [row["macs"] / 1e6 for row in rows],
            [row["ms"]["median"] for row in rows],
            yerr=_bars([row["ms"] for row in rows]),
            fmt=marker,
            color=colour,
            capsize=2,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.set_xlabel("million MACs")
    axes.set_ylabel("ms for one picture, 1 thread")
    axes.set_title("MobileNetV2: latency against work", fontsize=10)
    axes.legend(fontsize=8)


def _rates(axes: Any, rows: Sequence[Mapping[str, Any]], key: str) -> None:
    rates = [row["per_second"] for row in rows]
    axes.errorbar(
        [row[key] for row in rows],
        [rate["median"] for rate in rates],
        yerr=_bars(rates),
        fmt="o-",
        color=_ONE,
        capsize=2,
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("pictures a second, from JPEG")


def _counts(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    axes.set_xscale("log")
    axes.set_xticks([row["count"] for row in rows], [f"{row['count']:,}" for row in rows])
    axes.minorticks_off()
    axes.set_xlabel("pictures in the folder")


def _bars(spreads: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Returns the distances from the median to the 10th and to the 90th percentile."""
    below = [one["median"] - one["p10"] for one in spreads]
    return [below, [one["p90"] - one["median"] for one in spreads]]
