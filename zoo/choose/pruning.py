"""Leaves out combinations that cannot be chosen, before they are built, exported and measured.

A comparison of all architectures would measure a hundred files. Many of them can be ruled out by what is known without
any measurement: the published accuracy, and the numbers of weights and multiply-accumulates (MACs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.choose.front import Limits, Measured
from zoo.choose.variants import Variant
from zoo.progress import SILENT, Progress
from zoo.summary.table import Summary, outline
from zoo.text import count_of, plural

Key = tuple[str, tuple[tuple[str, Any], ...]]
"""A model with its options: all that its cost depends on, besides the mode."""

_BYTES = {"none": 4, "float16": 2}
"""The bytes of a stored weight; 1 in all other modes."""
_OVERHEAD = 1.25
"""Files up to this much larger than their weights are taken for granted; graph, scales and biases come to less."""
SLOWER = 1.5
"""How far above the time limit a smaller model must be, before larger ones are taken for too slow."""


@dataclass(frozen=True)
class Cost:
    """The cost of a model, by its architecture alone."""

    weights: int
    """The number of weights that a file stores; batch normalization is folded into the convolutions there."""
    macs: int

    @classmethod
    def of(cls, summary: Summary) -> Cost:
        """Counts the weights of a model's layer table."""
        weights = sum(row.params for row in summary.rows if row.kind != "BatchNormalization")
        return cls(weights, summary.macs)

    def megabytes(self, quantize: str) -> float:
        """Returns the least size of a file in a mode, in units of 1,000,000 bytes."""
        return self.weights * _BYTES.get(quantize, 1) / 1e6


@dataclass(frozen=True)
class Pruned:
    """The combinations that are worth a measurement, the cheapest first, and what was left out."""

    variants: tuple[Variant, ...]
    costs: Mapping[Key, Cost]
    notes: tuple[str, ...]
    """The reasons for which combinations were left out, with their numbers."""

    def is_hopeless(self, variant: Variant, found: Mapping[Variant, Measured], max_ms: float | None) -> bool:
        """Whether a combination is certainly too slow, because a smaller one of the same model and mode was."""
        cost = self.costs[key(variant)]
        return max_ms is not None and any(
            one.model == variant.model
            and one.quantize == variant.quantize
            and measured.median_ms > SLOWER * max_ms
            and self.costs[key(one)].macs <= cost.macs
            and self.costs[key(one)].weights <= cost.weights
            for one, measured in found.items()
            if key(one) in self.costs
        )


def key(variant: Variant) -> Key:
    """Returns the model of a combination with its options."""
    return variant.model, variant.options


def prune(variants: Sequence[Variant], limits: Limits, progress: Progress = SILENT) -> Pruned:
    """Leaves out what is too inaccurate or too large for the limits, or what a cheaper net of its kind outdoes.

    The last holds among the combinations of one architecture, variant and mode: one that needs more MACs than another
    and is not more accurate is left out.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    accurate = [one for one in variants if limits.min_top1 is None or (one.top1 or 0) >= limits.min_top1]
    costs: dict[Key, Cost] = {}
    for done, variant in enumerate(accurate):
        progress.step("counting weights", done, len(accurate))
        if key(variant) not in costs:
            costs[key(variant)] = Cost.of(outline(variant.model, **variant.values))

    def size(one: Variant) -> float:
        return costs[key(one)].megabytes(one.quantize)

    most = float("inf") if limits.max_mb is None else limits.max_mb
    small = [one for one in accurate if size(one) <= most]
    sure = [one for one in small if _OVERHEAD * size(one) <= most]
    good = [one for one in small if not any(_outdoes(other, one, costs) for other in sure)]
    left = (
        (len(variants) - len(accurate), f"have less than {limits.min_top1 or 0:g}%"),
        (len(accurate) - len(small), f"have weights of more than {limits.max_mb or 0:g} MB"),
        (len(small) - len(good), "need more MACs than others of their kind that are as accurate"),
    )
    notes = tuple(
        f"{count_of(count, 'combination is', 'combinations are')} not measured: {plural(count, 'it', 'they')} {why}"
        for count, why in left
        if count
    )
    good.sort(key=lambda one: costs[key(one)].macs)
    return Pruned(tuple(good), costs, notes)


def _outdoes(other: Variant, one: Variant, costs: Mapping[Key, Cost]) -> bool:
    """Whether another combination of one architecture, variant and mode has fewer MACs and is as accurate."""
    return (
        _kind(other) == _kind(one)
        and costs[key(other)].macs < costs[key(one)].macs
        and (other.top1 or 0) >= (one.top1 or 0)
    )


def _kind(variant: Variant) -> tuple[Any, ...]:
    """Returns the architecture and the mode; options in words, such as `variant=large`, make another architecture."""
    words = tuple((name, value) for name, value in variant.options if isinstance(value, str))
    return variant.model, variant.quantize, words
