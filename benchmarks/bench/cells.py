"""Makes the cells of the benchmarks' tables from their figures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def sides(row: Any) -> tuple[str, str, str]:
    """Returns both sides of a `Versus` and its ratio."""
    return f"{number(row['plain'])} {row['unit']}", f"{number(row['ours'])} {row['unit']}", ratio_text(row)


def ratio_text(row: Mapping[str, Any]) -> str:
    """Returns the ratio of a `Versus` with its spread, e.g. `1.02x (0.94 to 1.07)`."""
    return f"{row['ratio']:.2f}x ({row['p10']:.2f} to {row['p90']:.2f})"


def bits(mode: str) -> str:
    """Returns what the numbers in a file of this mode are called."""
    return "float32" if mode == "none" else mode


def number(value: float) -> str:
    """Returns a number with three significant digits, or a whole one."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def between(spread: dict[str, float], unit: str = "") -> str:
    """Returns the median with its unit, and the 10th and 90th percentile."""
    return f"{number(spread['median'])}{' ' * bool(unit)}{unit} ({number(spread['p10'])} to {number(spread['p90'])})"


def mean(values: Sequence[float], form: str) -> str:
    """Returns the mean, and half of the range if there are several values."""
    text = form.format(statistics.fmean(values))
    return text if len(values) == 1 else f"{text} ± {(max(values) - min(values)) / 2:.1f}"


def time_of(rows: list[dict[str, Any]]) -> str:
    """Returns the time of the first of a kind's files that was timed, in milliseconds."""
    found = next((row["ms"] for row in rows if row.get("ms") is not None), None)
    return "" if found is None else f"{found:.3g} ms"
