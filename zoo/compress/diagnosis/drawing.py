"""Draws a diagnosis: what each layer loses, and the ranges of its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.compress.diagnosis.findings import Diagnosis, Row
from zoo.plots import caption, figure, save

SHOWN = 40
"""The most layers in a drawing: those that lose most."""
_LEAST = 1e-7
"""The least divergence on the axis, whose steps are powers of ten."""
_MARKS = (
    ("weights, int8", "o", "C0"),
    ("weights, one scale", "s", "C1"),
    ("weights, 4 bits", "^", "C2"),
    ("results, int8", "x", "C3"),
)


def draw_diagnosis(found: Diagnosis, path: Path) -> None:
    """Draws the layers that lose most, the worst on top: their losses on the left, their ranges on the right.

    Raises:
        InputError: the file's name ends in neither `.png` nor `.svg`.
        MissingDependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    rows = found.rows[:SHOWN]
    drawing = figure(11, 1.6 + 0.22 * len(rows))
    left, right = drawing.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _losses(left, rows)
    _ranges(right, rows)
    left.set_yticks(range(len(rows)), [caption(row.layer) for row in rows], fontsize=7)
    left.set_ylim(len(rows) - 0.4, -0.6)
    more = f" ({len(rows)} of {len(found.rows)} layers)" if len(found.rows) > len(rows) else ""
    whole = found.whole["int8"]
    drawing.suptitle(
        f"{caption(found.model)}{more}: int8 as a whole changes {whole.changed:.0%} of {found.together} answers",
        fontsize=10,
    )
    save(drawing, path)


def _losses(axes: Any, rows: tuple[Row, ...]) -> None:
    for at, row in enumerate(rows):
        weights = row.weights
        values = [None, None, None] if weights is None else [weights.int8, weights.per_tensor, weights.four_bits]
        for loss, (name, marker, colour) in zip([*values, row.activation and row.activation.loss], _MARKS, strict=True):
            if loss is not None:
                axes.plot(max(loss.divergence, _LEAST), at, marker, color=colour, markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_xlabel("divergence of the answers, nats")
    axes.grid(alpha=0.3)
    _name(axes)


def _ranges(axes: Any, rows: tuple[Row, ...]) -> None:
    for at, row in enumerate(rows):
        if row.activation is not None:
            whole, inner = row.activation.seen, row.activation.inner
            axes.plot([whole.low, whole.high], [at, at], color="C3", linewidth=1, label="all values")
            axes.plot([inner.low, inner.high], [at, at], color="C0", linewidth=4, label="without the outermost 0.01%")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlabel("range of the results")
    axes.grid(alpha=0.3)
    _name(axes)


def _name(axes: Any) -> None:
    """Puts what the marks are above them, each once, and plain numbers below them."""
    shown = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if shown:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        axes.legend(shown.values(), shown.keys(), fontsize=7, ncols=4, frameon=False, **place)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(axis="x", labelsize=7)
