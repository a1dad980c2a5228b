"""Chooses the channels to keep, so that a share of the multiply-accumulates is left."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.compress.prune.channels import Channels, Family, Weighted
from zoo.compress.prune.cutting import Mask, macs
from zoo.errors import OptionError

Array = npt.NDArray[Any]

STEP = 8
"""Channels are left in multiples of this, as the kernels of the runtimes and accelerators are made for."""
LEAST = 1 / 8
"""The least share of a family's channels that is kept, so that no layer becomes a bottleneck."""


def choose(channels: Channels, scores: Array, keep: float) -> Mask:
    """Returns the channels to keep.

    Families lose channels in steps, always that with the least score for each multiply-accumulate that it saves, until
    no more than the share of multiply-accumulates is left. What the last steps saved too much is given back, as far as
    whole steps fit.

    Args:
        channels: the channels of a model.
        scores: what each channel is worth, `(channels,)`, in the same unit for all.
        keep: the share of the multiply-accumulates, more than 0 and at most 1.

    Raises:
        OptionError: the share is not one, or is less than what is left with the least channels.
    """
    if not 0 < keep <= 1:
        raise OptionError(
            f"keep={keep:g} is not allowed; give the share of the multiply-accumulates to keep, such as 0.5"
        )
    kept = np.ones(channels.count, bool)
    before = now = sum(macs(layer, kept) for layer in channels.layers)
    queues = [_Queue(family, channels, scores) for family in channels.families]
    while now > keep * before:
        prices = [(queue.price(kept), i) for i, queue in enumerate(queues)]
        price, chosen = min(prices, default=(math.inf, 0))
        if math.isinf(price):
            raise OptionError(
                f"keep={keep:g} is less than can be kept: {now / before:.3f} of the multiply-accumulates are left "
                f"where every layer has the fewest channels; give {math.ceil(1000 * now / before) / 1000:g} or more"
            )
        queue = queues[chosen]
        now -= queue.saved
        kept[queue.take()] = False
        for other in queues:
            other.forget(queue)
    for queue in sorted((queue for queue in queues if queue.taken), key=lambda queue: -queue.worth):
        now += queue.give_back(kept, math.floor(keep * before) - now)
    return kept


class _Queue:
    """The channels of a family in the order in which they are removed."""

    def __init__(self, family: Family, channels: Channels, scores: Array) -> None:
        self._scores = scores
        self._layers = [one for one in channels.layers if _reads(one, family)]
        self._names = {id(one.layer) for one in self._layers}
        self._steps = steps(family, scores)
        self._price: float | None = None
        self.taken: list[Array] = []
        """The channels of each step that was taken."""
        self.saved = 0
        """The multiply-accumulates that the next step saves."""

    def price(self, kept: Mask) -> float:
        """Returns the score that the next step costs for each multiply-accumulate; infinite if there is none."""
        if not self._steps:
            return math.inf
        if self._price is None:
            less = kept.copy()
            less[self._steps[0]] = False
            self.saved = sum(macs(layer, kept) - macs(layer, less) for layer in self._layers)
            self._price = float(self._scores[self._steps[0]].sum()) / max(1, self.saved)
        return self._price

    def take(self) -> Array:
        """Returns the channels of the next step, and moves on."""
        self.taken.append(self._steps.pop(0))
        return self.taken[-1]

    @property
    def worth(self) -> float:
        """The score of the step that was taken last."""
        return float(self._scores[self.taken[-1]].sum())

    def give_back(self, kept: Mask, most: int) -> int:
        """Keeps the channels of the last step after all if they cost no more multiply-accumulates than `most`.

        Returns:
            What they cost.
        """
        more = kept.copy()
        more[self.taken[-1]] = True
        costs = sum(macs(layer, more) - macs(layer, kept) for layer in self._layers)
        if costs > most:
            return 0
        kept[self.taken[-1]] = True
        return costs

    def forget(self, other: _Queue) -> None:
        """Forgets the price if it depends on a family that has lost channels."""
        if self._names & other._names:
            self._price = None


def steps(family: Family, scores: Array) -> list[Array]:
    """Returns the channels of a family that may be removed, in steps: the worst of each part first.

    After each step the number that is left is a multiple of `STEP`, and as many are left in each part.
    """
    parts = int(family.parts.max()) + 1
    size, each = len(family.channels), len(family.channels) // parts
    step = math.lcm(STEP, parts)
    least = max(step, math.ceil(LEAST * size / step) * step)
    left = range(least, size, step)[::-1]
    ranked = []
    for part in range(parts):
        mine = family.channels[family.parts == part]
        ranked.append(mine[np.argsort(scores[mine], kind="stable")])
    ends = [each - count // parts for count in left]
    return [np.concatenate([mine[a:b] for mine in ranked]) for a, b in itertools.pairwise([0, *ends])]


def _reads(layer: Weighted, family: Family) -> bool:
    return bool(np.isin(layer.ins, family.channels).any() or np.isin(layer.outs, family.channels).any())
