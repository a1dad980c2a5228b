"""Groups the layer table into blocks, as lectures draw a net: a convolution with its pooling, a residual block."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from zoo.summary.table import Axes, Row, Summary
from zoo.text import count_of

Kind = Literal["input", "convolution", "depthwise", "pooling", "dense", "other"]

LEGEND = "dw: depthwise convolution · /2: stride 2 · → 96: to 96 channels · + input: residual sum"
"""Explanation of the short words in labels."""

_DENSE = ("Dense",)
_GLOBAL = ("GlobalAveragePooling", "GlobalMaxPooling")


@dataclass(frozen=True)
class Block:
    """Consecutive layers that belong together."""

    name: str
    """Name of the block's first layer with weights, or of all of them, so that it can be found in the layer table."""
    kind: Kind
    label: tuple[str, ...]
    """The operations of the block, one line each, in short words; see `LEGEND`."""
    rows: tuple[Row, ...]
    output_shape: tuple[int, ...]
    """Shape of the output without the batch."""
    receptive_field: Axes | None
    """Input pixels that one output value depends on; None if the input has no spatial axes."""

    @property
    def params(self) -> int:
        """Number of parameters of all its layers."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all its layers."""
        return sum(row.macs for row in self.rows)


def blocks(summary: Summary) -> tuple[Block, ...]:
    """Groups a model's layers; the first block is the input with the layers that only scale it.

    Only the order and the kinds of the layers count, so that any sequence of layers can be grouped: a convolution joins
    an equal one before it (a stage of VGG), a pooling layer or a residual sum ends a block, a depthwise convolution
    takes the 1x1 convolutions around it (expansion and projection), and activations and normalizations stay with the
    layer before them. Flatten goes with the dense layer after it.
    """
    groups: list[list[Row]] = [[]]
    waiting: list[Row] = []
    for row in summary.rows:
        if row.kind == "Flatten":
            waiting.append(row)
        elif _begins(row, groups[-1]):
            taken = _expansion(groups) if _is_depthwise(row) else []
            groups.append([*waiting, *taken, row])
            waiting = []
        else:
            (waiting or groups[-1]).append(row)
    groups[-1] += waiting
    first = Block("input", "input", ("scaled",) if groups[0] else (), tuple(groups[0]), summary.input_shape, None)
    field: Axes | None = (1,) * (len(summary.input_shape) - 1) or None
    found = [first]
    for group in groups[1:]:
        # Behind the last map the field stays what it was: layers without spatial axes have none of their own.
        field = next((row.receptive_field for row in reversed(group) if row.receptive_field), field)
        # A group that reaches from one block into the next may share only the name of their stage with others.
        name = _name(group) if _name(group) not in {block.name for block in found} else group[0].name
        found.append(Block(name, _kind(group), _label(group), tuple(group), group[-1].output_shape, field))
    return tuple(found)


def _begins(row: Row, group: Sequence[Row]) -> bool:
    """Whether a layer is the first of a new block."""
    if row.kind.startswith(_GLOBAL) or row.kind in _DENSE:
        return True
    if not _is_convolution(row):
        # A pooling layer behind the input has a block of its own.
        return _is_pooling(row) and not any(map(_is_convolution, group))
    if _is_depthwise(row):
        return True
    closed = any(_is_pooling(layer) or layer.kind == "Add" for layer in group)
    convolutions = [layer for layer in group if _is_convolution(layer)]
    if closed or not convolutions:
        return True
    last = convolutions[-1]
    if _is_depthwise(last):
        return not _is_pointwise(row)
    alike = (last.kind, last.kernel, last.groups, last.output_shape) == (
        row.kind,
        row.kernel,
        row.groups,
        row.output_shape,
    )
    return any(map(_is_depthwise, convolutions)) or not alike


def _expansion(groups: list[list[Row]]) -> list[Row]:
    """Takes the 1x1 convolution before a depthwise one out of the blocks, if that is all its block is."""
    group = groups[-1]
    convolutions = [row for row in group if _is_convolution(row)]
    closed = any(_is_pooling(row) or row.kind == "Add" for row in group)
    if len(convolutions) == 1 and _is_pointwise(convolutions[0]) and not closed:
        return groups.pop()
    return []


def _is_convolution(row: Row) -> bool:
    return "Conv" in row.kind


def _is_depthwise(row: Row) -> bool:
    return row.kind.startswith("Depthwise")


def _is_pointwise(row: Row) -> bool:
    return _is_convolution(row) and not _is_depthwise(row) and math.prod(row.kernel or (0,)) == 1


def _is_pooling(row: Row) -> bool:
    return row.kind.startswith(("MaxPooling", "AveragePooling"))


def _name(group: Sequence[Row]) -> str:
    """The words up to a number that the layers' names begin with (`stage1_block2`), else the first layer's name."""
    names = [row.name for row in group if row.macs] or [row.name for row in group]
    words = zip(*(name.split("_") for name in names), strict=False)
    alike = list(itertools.takewhile(lambda same: len(set(same)) == 1, words))
    while len(names) > 1 and alike and not alike[-1][0][-1:].isdigit():
        alike.pop()
    return "_".join(same[0] for same in alike) or names[0]


def _kind(group: Sequence[Row]) -> Kind:
    if any(map(_is_depthwise, group)):
        return "depthwise"
    if any(map(_is_convolution, group)):
        return "convolution"
    if any(row.kind in _DENSE for row in group):
        return "dense"
    return "pooling" if any("Pooling" in row.kind for row in group) else "other"


def _label(group: Sequence[Row]) -> tuple[str, ...]:
    if any(map(_is_depthwise, group)):
        return _depthwise_label(group)
    lines: list[str] = []
    convolutions = [row for row in group if _is_convolution(row)]
    if convolutions:
        first = convolutions[0]
        count = f"{len(convolutions)} × " if len(convolutions) > 1 else ""
        lines.append(f"{count}conv {_window(first)}")
        if _stride(first):
            lines.append(_stride(first))
        if first.groups and first.groups > 1:
            lines.append(count_of(first.groups, "group"))
    for row in group:
        if _is_pooling(row):
            kind = "max" if row.kind.startswith("Max") else "average"
            # A stride as wide as the window goes without saying.
            stride = "" if row.stride == row.kernel else f" /{_axis(row.stride)}"
            lines.append(f"{kind} pool {_window(row)}{stride}")
        elif row.kind.startswith(_GLOBAL):
            lines += ["global", "average pool" if "Average" in row.kind else "max pool"]
        elif row.kind in {"Flatten", "Dense", "Softmax", "Add"}:
            lines.append({"Add": "residual"}.get(row.kind, row.kind.lower()))
    return tuple(lines) or (group[0].kind,)


def _depthwise_label(group: Sequence[Row]) -> tuple[str, ...]:
    lines = []
    for row in group:
        if _is_depthwise(row):
            lines.append(f"dw {_window(row)}" + (f" /{_axis(row.stride)}" if _stride(row) else ""))
        elif _is_convolution(row):
            lines.append(f"{_window(row)} → {row.output_shape[-1]}")
        elif row.kind == "Add":
            lines.append("+ input")
    return tuple(lines)


def _window(row: Row) -> str:
    return "×".join(map(str, row.kernel or ()))


def _axis(values: Axes | None) -> str:
    values = values or (1,)
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


def _stride(row: Row) -> str:
    return "" if set(row.stride or (1,)) == {1} else f"stride {_axis(row.stride)}"
