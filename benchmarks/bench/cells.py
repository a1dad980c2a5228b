"""Makes tables in Markdown and their cells from the figures of the benchmarks."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from bench.turns import ratio_text


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sides(row: Any) -> tuple[str, str, str]:
    """Returns both sides of a `Versus` and its ratio."""
    return f"{number(row['plain'])} {row['unit']}", f"{number(row['ours'])} {row['unit']}", ratio_text(row)


def number(value: float) -> str:
    """Returns a number with three significant digits, or a whole one."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def between(spread: dict[str, float], unit: str = "") -> str:
    """Returns the median with its unit, and the 10th and 90th percentile."""
    return f"{number(spread['median'])}{' ' * bool(unit)}{unit} ({number(spread['p10'])} to {number(spread['p90'])})"


def multiple(spread: dict[str, float]) -> str:
    """Returns a ratio with its spread."""
    return f"{spread['median']:.2f}x ({spread['p10']:.2f} to {spread['p90']:.2f})"


def mean(values: Sequence[float], form: str) -> str:
    """Returns the mean, and half of the range if there are several values."""
    text = form.format(statistics.fmean(values))
    return text if len(values) == 1 else f"{text} ± {(max(values) - min(values)) / 2:.1f}"


def time_of(rows: list[dict[str, Any]]) -> str:
    """Returns the time of the first of a kind's files that was timed, in milliseconds."""
    found = next((row["ms"] for row in rows if row.get("ms") is not None), None)
    return "" if found is None else f"{found:.3g} ms"
