"""Draws the Pareto front as a picture of time against accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.choose.front import pareto
from zoo.plots import caption, figure, save

if TYPE_CHECKING:
    from zoo.choose import Candidate, Choice

_MARKERS = {"none": "o", "float16": "D", "dynamic": "^", "int8": "s", "int16x8": "v"}
_MODES = {"none": "#0072b2", "float16": "#56b4e9", "dynamic": "#009e73", "int8": "#e69f00", "int16x8": "#cc79a7"}
"""The colours of the modes of one architecture, of Okabe and Ito's palette."""
_FAMILIES = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c564b", "#7a5195", "#b5bd00", "#17a2a2", "#e377c2",
)  # fmt: skip
"""The colours of architectures; the palette's vermilion is left for the pick."""


def plot_choice(choice: Choice, path: str | Path) -> None:
    """Draws a choice into a file, as PNG or SVG; see `draw_choice`.

    Raises:
        InputError: the file's name does not end in `.png` or `.svg`.
        OutputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    save(draw_choice(choice), Path(path))


def draw_choice(choice: Choice) -> Any:
    """Draws all combinations with a published accuracy, the limits and the pick; returns matplotlib's figure.

    The points of the front are filled and have their options beside them. With several architectures each has a colour,
    and a thin line joins its own front.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    drawing = figure(8, 5) if len(choice.models) == 1 else figure(9, 6)
    axes = drawing.subplots()
    rated = [candidate for candidate in choice.candidates if candidate.top1 is not None]
    if len(choice.models) == 1:
        _draw_modes(axes, rated, choice.front)
    else:
        _draw_families(axes, rated, choice)
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
    in_int8 = any(candidate.top1_of == "int8" for candidate in rated)
    axes.set_ylabel(f"published ImageNet top-1{'' if in_int8 else ' of the float weights'}, %")
    among = "" if limits.max_mb is None else f"; front of the files of at most {limits.max_mb:g} MB"
    what = choice.models[0] if len(choice.models) == 1 else f"{len(choice.models)} architectures"
    axes.set_title(f"{caption(what)} on {caption(choice.machine)}{among}", fontsize=10)
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8, loc="lower right")
    _name(drawing, axes, choice.front)
    return drawing


def _draw_modes(axes: Any, rated: Sequence[Candidate], front: Sequence[Candidate]) -> None:
    """Draws the combinations of one architecture, each mode with a marker and a colour."""
    for quantize in dict.fromkeys(candidate.variant.quantize for candidate in rated):
        label = "float" if quantize == "none" else quantize
        some = [candidate for candidate in rated if candidate.variant.quantize == quantize]
        _scatter(axes, some, front, _MODES[quantize], _MARKERS[quantize], (label, f"{label}, on the front"))


def _draw_families(axes: Any, rated: Sequence[Candidate], choice: Choice) -> None:
    """Draws the combinations of several architectures, each with a colour and a line along its own front."""
    for model, colour in zip(choice.models, itertools.cycle(_FAMILIES), strict=False):
        own = [candidate for candidate in rated if candidate.variant.model == model]
        best = pareto(own, choice.limits.max_mb)
        times, accuracies = [one.measured.median_ms for one in best], [one.top1 for one in best]
        axes.plot(times, accuracies, color=colour, linewidth=0.8, alpha=0.7, label=caption(model))
        for quantize in dict.fromkeys(candidate.variant.quantize for candidate in own):
            some = [candidate for candidate in own if candidate.variant.quantize == quantize]
            _scatter(axes, some, choice.front, colour, _MARKERS[quantize])
    for quantize in dict.fromkeys(candidate.variant.quantize for candidate in rated):
        label = "float" if quantize == "none" else quantize
        axes.scatter([], [], s=26, marker=_MARKERS[quantize], facecolors="none", edgecolors="#222222", label=label)
    axes.scatter([], [], s=42, marker="o", color="#222222", label="filled: on the front")


def _scatter(
    axes: Any,
    some: Sequence[Candidate],
    front: Sequence[Candidate],
    colour: str,
    marker: str,
    labels: tuple[str, str] = ("", ""),
) -> None:
    """Draws points, filled if they are on the front; labels are those of the others and of these."""
    for filled in (False, True):
        points = [candidate for candidate in some if (candidate in front) == filled]
        if points:
            axes.scatter(
                [candidate.measured.median_ms for candidate in points],
                [candidate.top1 for candidate in points],
                s=42 if filled else 26,
                marker=marker,
                facecolors=colour if filled else "none",
                edgecolors=colour,
                alpha=1 if filled else 0.6,
                label=labels[filled] or None,
                zorder=3 if filled else 2,
            )


def _name(drawing: Any, axes: Any, front: Sequence[Candidate]) -> None:
    """Joins the points of the front by a line, and writes the options beside one point of each net.

    All else has to be drawn already: where a name has room depends on the axes.
    """
    times, accuracies = [one.measured.median_ms for one in front], [one.top1 for one in front]
    axes.step(times, accuracies, where="post", color="#222222", linewidth=0.8, zorder=1)
    drawing.draw_without_rendering()  # lays the axes out
    taken = [_around(axes, candidate) for candidate in front]
    named: set[str] = set()
    for candidate in front:
        net = candidate.variant.net
        if net not in named:
            taken.append(_write(axes, candidate, taken))
        named.add(net)


_PLACES = (
    (-7, 3, "right", "baseline"), (7, -3, "left", "top"), (-7, -3, "right", "top"), (7, 3, "left", "baseline"),
    (-12, 12, "right", "baseline"), (12, -12, "left", "top"),
)  # fmt: skip
"""Where a name may stand beside its point, the best place first: offset in points, and the alignments."""


def _write(axes: Any, candidate: Candidate, taken: Sequence[Any]) -> Any:
    """Writes the options beside a point, at the first place that is free, else at the first; returns the box."""
    at = (candidate.measured.median_ms, candidate.top1)

    def write(x: int, y: int, ha: str, va: str) -> Any:
        offset = {"xytext": (x, y), "textcoords": "offset points"}
        return axes.annotate(candidate.variant.short, at, **offset, ha=ha, va=va, fontsize=7)

    for place in _PLACES:
        text = write(*place)
        box = text.get_window_extent()
        if not any(box.overlaps(other) for other in taken):
            return box
        text.remove()
    return write(*_PLACES[0]).get_window_extent()


def _around(axes: Any, candidate: Candidate) -> Any:
    """The box of a point's marker, in pixels."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((candidate.measured.median_ms, candidate.top1))
    return Bbox.from_bounds(x - 4, y - 4, 8, 8)
