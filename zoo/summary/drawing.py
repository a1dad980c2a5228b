"""Draws a net as in a lecture: blocks from left to right, with feature maps, receptive fields, parameters and MACs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.plots import caption, figure, save
from zoo.summary.blocks import LEGEND, Block, Kind, blocks
from zoo.text import short_number, shown

if TYPE_CHECKING:
    from zoo.summary.table import Axes, Summary

# All lengths are inches; the drawing's coordinates are, too.
_MARGIN, _LEFT = 0.25, 1.4
_PANELS = {"title": 0.62, "maps": 1.62, "labels": 0.42, "field": 1.02, "params": 1.2, "macs": 1.2, "legend": 0.3}
_LINE = 0.145
_TALLEST, _THICKEST, _VECTOR = 1.05, 0.42, 0.1
_SKEW = 0.26
"""Shift of a map's depth to the right, as a share of its height; the shift upwards is half of it."""
_GLYPH = 0.62
_BAR = 0.72

_COLOURS: dict[Kind, str] = {
    # Okabe and Ito's palette, which most colour-blind people can tell apart.
    "input": "#f2f2f2",
    "convolution": "#56b4e9",
    "depthwise": "#009e73",
    "pooling": "#bdbdbd",
    "dense": "#e69f00",
    "other": "#ffffff",
}
_WORDS: dict[Kind, str] = {"convolution": "convolution", "depthwise": "depthwise block", "dense": "dense"}
_INK, _FAINT, _FIELD = "#222222", "#777777", "#d55e00"


@dataclass(frozen=True)
class _Page:
    """The positions on the page."""

    axes: Any
    column: float
    """Width of one block."""
    bottoms: dict[str, float]
    """Vertical positions of the panels' lower edges, by their names."""

    def x(self, index: int) -> float:
        """Returns the centre of a block's column."""
        return _LEFT + (index + 0.5) * self.column

    def text(self, x: float, y: float, what: str, size: float = 7.5, **how: Any) -> None:
        """Writes text in the drawing's colour, centred by default."""
        self.axes.text(x, y, what, fontsize=size, **{"ha": "center", "va": "center", "color": _INK, **how})

    def heading(self, y: float, title: str, remark: str = "") -> None:
        """Writes the title of a panel at its left."""
        self.text(_MARGIN, y, title, 9, ha="left", weight="bold")
        self.text(_MARGIN, y - 0.12, remark, 6.5, ha="left", va="top", color=_FAINT)

    def polygon(
        self, corners: Sequence[tuple[float, float]], colour: str, *, shade: float = 1.0, edge: str = _INK
    ) -> None:
        """Draws a filled polygon with a thin edge; `shade` below 1 darkens it."""
        from matplotlib.colors import to_rgb
        from matplotlib.patches import Polygon

        rgb = [channel * shade for channel in to_rgb(colour)]
        self.axes.add_patch(Polygon(corners, closed=True, facecolor=rgb, edgecolor=edge, linewidth=0.6))

    def box(self, x: float, y: float, width: float, height: float, colour: str, edge: str = _INK) -> None:
        """Draws a filled rectangle; x is its left edge."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour, edge=edge)


def draw(summary: Summary, path: str | Path, *, subtitle: str = "") -> None:
    """Draws a model block by block; see `zoo.summary.blocks`.

    From top to bottom: feature maps as boxes, whose edges grow with the square root of their sizes; what each block
    does; the part of the input that one value sees; parameters and multiply-accumulates as bars, to scale.

    Args:
        summary: the summary from `zoo.summary.table.summarize` or `outline`.
        path: a `.png` or `.svg` file.
        subtitle: a line under the title, e.g. the paper.

    Raises:
        InputError: the file's name has another suffix.
        OutputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    found = blocks(summary)
    column = min(1.25, max(0.8, 11 / len(found)))
    labels = [_wrapped(block.label, column) for block in found]
    panels = _PANELS | {"labels": _PANELS["labels"] + _LINE * max(map(len, labels))}
    if len(summary.input_shape) == 1:
        panels["field"] = 0.2
    width = max(7.5, _LEFT + len(found) * column + _MARGIN)
    height = sum(panels.values()) + 2 * _MARGIN
    drawing = figure(width, height)
    drawing.set_layout_engine("none")
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    bottoms, y = {}, height - _MARGIN
    for name, room in panels.items():
        y -= room
        bottoms[name] = y
    page = _Page(axes, column, bottoms)
    _draw_title(page, summary, subtitle, found)
    _draw_maps(page, found)
    _draw_labels(page, found, labels)
    _draw_fields(page, found, summary.input_shape)
    _draw_bars(page, "params", "parameters", [block.params for block in found], found)
    _draw_bars(page, "macs", "MACs", [block.macs for block in found], found)
    save(drawing, Path(path))


def _draw_title(page: _Page, summary: Summary, subtitle: str, found: Sequence[Block]) -> None:
    y = page.bottoms["title"]
    shape = "×".join(map(str, summary.input_shape))
    line = f"input {shape} · {summary.params:,} parameters · {summary.macs:,} multiply-accumulates"
    page.text(_MARGIN, y + 0.56, caption(summary.model), 14, ha="left", weight="bold")
    page.text(_MARGIN, y + 0.31, line, 9, ha="left")
    page.text(_MARGIN, y + 0.12, shown(subtitle), 7.5, ha="left", color=_FAINT)
    x, y = _MARGIN, page.bottoms["legend"]
    for kind, word in _WORDS.items():
        if any(block.kind == kind for block in found):
            page.box(x, y + 0.04, 0.14, 0.14, _COLOURS[kind])
            page.text(x + 0.2, y + 0.11, word, 7.5, ha="left")
            x += 0.45 + 0.065 * len(word)
    if any(block.kind == "depthwise" for block in found):
        page.text(x + 0.2, y + 0.11, LEGEND, 7.5, ha="left", color=_FAINT)


def _draw_maps(page: _Page, found: Sequence[Block]) -> None:
    bottom = page.bottoms["maps"]
    maps = [block.output_shape for block in found if len(block.output_shape) > 1]
    widest = max((max(shape[:-1]) for shape in maps), default=1)
    # At least as many as a first convolution has: a lone input of one channel is still drawn thin.
    deepest = max([32, *(shape[-1] for shape in maps)])
    longest = max((block.output_shape[0] for block in found if len(block.output_shape) == 1), default=1)
    page.heading(bottom + 0.6, "output", "edges: square\nroot of sizes")
    for i, block in enumerate(found):
        shape, colour = block.output_shape, _COLOURS[block.kind]
        if len(shape) == 1:
            height = max(0.08, _TALLEST * math.sqrt(shape[0] / longest))
            page.box(page.x(i) - _VECTOR / 2, bottom + 0.05, _VECTOR, height, colour)
            top = height
        else:
            top = _draw_map(page, i, shape, colour, widest, deepest)
        page.text(page.x(i), bottom + top + 0.17, "×".join(map(str, shape)), 8)


def _draw_labels(page: _Page, found: Sequence[Block], labels: Sequence[Sequence[str]]) -> None:
    top = page.bottoms["maps"] - 0.12
    page.heading(top, "block")
    for i, (block, lines) in enumerate(zip(found, labels, strict=True)):
        # A long name would overlap its neighbours.
        name = shown(block.name).removeprefix("global_average_").removeprefix("global_max_")
        room = int(13 * page.column)
        name = name if len(name) <= room else name[: room - 1] + "…"
        page.text(page.x(i), top, name, 8, weight="bold")
        for number, line in enumerate(lines, start=1):
            page.text(page.x(i), top - 0.05 - _LINE * number, line, va="baseline")


def _wrapped(label: Sequence[str], column: float) -> list[str]:
    return [part for line in label for part in textwrap.wrap(line, int(14 * column))]


def _draw_map(page: _Page, i: int, shape: tuple[int, ...], colour: str, widest: int, deepest: int) -> float:
    """Draws a feature map as a box: height upwards, width into the page, channels to the right. Returns its height."""
    height = max(0.08, _TALLEST * math.sqrt(shape[0] / widest))
    thick = max(0.04, _THICKEST * math.sqrt(shape[-1] / deepest))
    lean = _SKEW * _TALLEST * math.sqrt(shape[1] / widest) if len(shape) > 2 else 0.0
    x, y = page.x(i) - (thick + lean) / 2, page.bottoms["maps"] + 0.05
    right, top = x + thick, y + height
    page.polygon([(x, y), (right, y), (right, top), (x, top)], colour)
    if lean:
        page.polygon(
            [(x, top), (right, top), (right + lean, top + lean / 2), (x + lean, top + lean / 2)], colour, shade=0.95
        )
        page.polygon(
            [(right, y), (right + lean, y + lean / 2), (right + lean, top + lean / 2), (right, top)], colour, shade=0.8
        )
    return height + lean / 2


def _draw_fields(page: _Page, found: Sequence[Block], input_shape: tuple[int, ...]) -> None:
    """Draws the input as an outline with the receptive field of one output value of each block."""
    spatial = input_shape[:-1]
    if not spatial:
        return
    bottom = page.bottoms["field"]
    page.heading(bottom + 0.72, "receptive field", "in the input;\nbold: beyond it")
    high = _GLYPH if len(spatial) > 1 else 0.16
    wide = _GLYPH
    if len(spatial) > 1:
        high, wide = (_GLYPH * size / max(spatial) for size in spatial)
    middle = bottom + 0.26 + _GLYPH / 2
    for i, block in enumerate(found):
        field: Axes = block.receptive_field or (1,) * len(spatial)
        x = page.x(i)
        page.box(x - wide / 2, middle - high / 2, wide, high, "#ffffff")
        shares = [min(1.0, seen / size) for seen, size in zip(field, spatial, strict=True)]
        seen_high = max(0.015, high * shares[0]) if len(spatial) > 1 else high
        seen_wide = max(0.015, wide * shares[-1])
        page.box(
            x - seen_wide / 2,
            middle - seen_high / 2,
            seen_wide,
            seen_high,
            _FIELD,
            _INK if seen_wide == wide else "none",
        )
        beyond = any(seen > size for seen, size in zip(field, spatial, strict=True))
        text = "×".join(map(str, field))
        page.text(x, bottom + 0.12, text, 8, weight="bold" if beyond else "normal")


def _draw_bars(page: _Page, panel: str, title: str, values: Sequence[int], found: Sequence[Block]) -> None:
    bottom, total, most = page.bottoms[panel] + 0.05, sum(values), max(values)
    page.heading(bottom + 0.35, title)
    right = _LEFT + len(values) * page.column
    page.axes.plot([_LEFT, right], [bottom, bottom], color=_INK, linewidth=0.6)
    width = 0.5 * page.column
    for i, (value, block) in enumerate(zip(values, found, strict=True)):
        height = _BAR * value / most if most else 0.0
        if value:
            page.box(page.x(i) - width / 2, bottom, width, height, _COLOURS[block.kind])
            page.text(page.x(i), bottom + height + 0.22, short_number(value), 8)
            page.text(page.x(i), bottom + height + 0.09, f"{value / total:.1%}", 6.5, color=_FAINT)
