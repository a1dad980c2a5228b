"""Makes the tables on pruning of docs/compression.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.cells import mean, table, time_of

Rows = list[dict[str, Any]]
BASE = "float"
"""What rows of unpruned float files are called."""


def alexnet(found: dict[str, Any]) -> str:
    """Shows AlexNet, and half of it."""
    return table(("AlexNet on Fashion-MNIST", *_COLUMNS), _lines(found["rows"]))


def widths(found: dict[str, Any]) -> str:
    """Shows a pruned MobileNetV2 beside a narrower one."""
    return table(("MobileNetV2 on Fashion-MNIST", *_COLUMNS), _lines(found["rows"]))


_COLUMNS = ("MACs", "parameters", "accuracy", "points lost", "float file", "one run")


def scores(found: dict[str, Any]) -> str:
    """Shows what is left without training, by the score and the share that is kept."""
    rows = found["rows"]
    keeps = [keep for keep in dict.fromkeys(row["keep"] for row in rows) if keep < 1]
    whole = mean([100 * row["score"] for row in rows if row["keep"] == 1], "{:.1f}")
    lines = []
    for how in dict.fromkeys(row["how"] for row in rows if row["keep"] < 1):
        cells = [
            mean([100 * row["score"] for row in rows if (row["how"], row["keep"]) == (how, keep)], "{:.1f}")
            for keep in keeps
        ]
        lines.append((how, *(f"{cell}%" for cell in cells)))
    return table((f"not trained; whole {whole}%", *(f"{keep:.0%} of the MACs" for keep in keeps)), lines)


def zeros(found: dict[str, Any]) -> str:
    """Shows files with zeros."""
    lines = [
        (
            f"{row['zeros']:.0%} zeros" + (", sparse file" if row["sparse"] else ""),
            f"{row['bytes'] / 1e6:.2f} MB",
            f"{row['zipped'] / 1e6:.2f} MB",
            f"{row['ms']:.3g} ms",
        )
        for row in found["rows"]
    ]
    return table(("MobileNetV2, 224x224, float", "size", "zipped", "one run"), lines)


CASES: dict[str, Callable[[dict[str, Any]], str]] = {
    "alexnet": alexnet, "scores": scores, "widths": widths, "zeros": zeros,
}  # fmt: skip
"""The tables by the names of the cases."""


def _lines(rows: Rows) -> list[Sequence[str]]:
    """Returns a line for each kind of row, with points below the float file of the same training."""
    whole = {row["seed"]: row["score"] for row in rows if row["how"] == BASE}
    lines: list[Sequence[str]] = []
    for how in dict.fromkeys(row["how"] for row in rows):
        own = [row for row in rows if row["how"] == how]
        lost = "" if how == BASE else mean([100 * (whole[row["seed"]] - row["score"]) for row in own], "{:+.1f}")
        score = f"{mean([100 * row['score'] for row in own], '{:.1f}')}%"
        macs, params = (f"{own[0][name] / 1e6:.3g} M" for name in ("macs", "params"))
        lines.append((how, macs, params, score, lost, f"{own[0]['bytes'] / 1e6:.2f} MB", time_of(own)))
    return lines
