"""Makes tables in Markdown and their cells from the figures of the benchmarks."""

from __future__ import annotations

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
