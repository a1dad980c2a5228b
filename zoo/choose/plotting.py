"""Draws the Pareto front as a picture of time against accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.plots import caption, figure, save

if TYPE_CHECKING:
    from zoo.choose import Candidate, Choice

_STYLES = {
    # Each quantization has a marker and a colour of Okabe and Ito's palette.
    "none": ("o", "#0072b2"),
    "float16": ("D", "#56b4e9"),
    "dynamic": ("^", "#009e73"),
    "int8": ("s", "#e69f00"),
    "int16x8": ("v", "#cc79a7"),
}


def plot_choice(choice: Choice, path: str | Path) -> None:
    """Draws all combinations with a published accuracy, the limits and the pick, as PNG or SVG.

    The points of the front are filled and have their names beside them.

    Raises:
        InputError: the file's name does not end in `.png` or `.svg`.
        OutputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    drawing = figure(8, 5)
    axes = drawing.subplots()
    rated = [candidate for candidate in choice.candidates if candidate.top1 is not None]
    for quantize in dict.fromkeys(candidate.variant.quantize for candidate in rated):
        marker, colour = _STYLES[quantize]
        label = "float" if quantize == "none" else quantize
        for filled in (False, True):
            some = [c for c in rated if c.variant.quantize == quantize and (c in choice.front) == filled]
            if not some:
                continue
            axes.scatter(
                [candidate.measured.median_ms for candidate in some],
                [candidate.top1 for candidate in some],
                s=42 if filled else 26,
                marker=marker,
                facecolors=colour if filled else "none",
                edgecolors=colour,
                alpha=1 if filled else 0.6,
                label=f"{label}, on the front" if filled else label,
                zorder=3 if filled else 2,
            )
    _name(axes, choice.front)
    limits = choice.limits
    if limits.max_ms is not None:
        axes.axvline(limits.max_ms, color="#777777", linestyle="--", linewidth=1, label=f"{limits.max_ms:g} ms")
    if limits.min_top1 is not None:
        axes.axhline(limits.min_top1, color="#777777", linestyle=":", linewidth=1, label=f"{limits.min_top1:g}%")
    if choice.pick is not None and choice.pick.top1 is not None:
        axes.scatter(
            [choice.pick.measured.median_ms],
            [choice.pick.top1],
            s=260,
            marker="o",
            facecolors="none",
            edgecolors="#d55e00",
            linewidths=2,
            label=f"pick, {choice.pick.megabytes:.1f} MB",
            zorder=4,
        )
    axes.set_xscale("log")
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.set_xlabel(f"ms for one picture (median), {caption(choice.runtime)}, threads: {choice.threads}")
    axes.set_ylabel("published ImageNet top-1 of the float weights, %")
    among = "" if limits.max_mb is None else f"; front of the files of at most {limits.max_mb:g} MB"
    axes.set_title(f"{caption(choice.model)} on {caption(choice.machine)}{among}", fontsize=10)
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8, loc="lower right")
    save(drawing, Path(path))


def _name(axes: Any, front: Sequence[Candidate]) -> None:
    """Joins the points of the front by a line, and writes each width and size beside one point."""
    named: set[str] = set()
    for candidate in front:
        values = candidate.variant.values
        name = "/".join(f"{values[option]:g}" for option in candidate.variant.varied)
        if name not in named:
            at = (candidate.measured.median_ms, candidate.top1)
            axes.annotate(name, at, xytext=(-7, 3), textcoords="offset points", ha="right", fontsize=7)
        named.add(name)
    times, accuracies = [one.measured.median_ms for one in front], [one.top1 for one in front]
    axes.step(times, accuracies, where="post", color="#222222", linewidth=0.8, zorder=1)
