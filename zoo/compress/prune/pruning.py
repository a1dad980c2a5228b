"""Removes whole channels of a model, so that an ordinary smaller model is left: structured pruning."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.compress.prune.channels import Channels, Family, find_channels
from zoo.compress.prune.choosing import choose
from zoo.compress.prune.cutting import Mask, cut, macs
from zoo.compress.prune.scoring import Loss, Score, gamma, taylor
from zoo.errors import CompressionError, OptionError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Width:
    """The number of channels of a family, before and after."""

    layer: str
    """The name of the first layer that makes them."""
    before: int
    after: int


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruned model, and what was removed."""

    model: keras.Model
    keep: float
    """The share of the multiply-accumulates that was asked for."""
    score: Score
    widths: tuple[Width, ...]
    macs: tuple[int, int]
    """Multiply-accumulates for one input, before and after."""
    params: tuple[int, int]

    @property
    def share(self) -> float:
        """The share of the multiply-accumulates that is left."""
        return self.macs[1] / self.macs[0]


def prune(
    model: keras.Model,
    keep: float,
    *,
    score: Score = "taylor",
    batches: Iterable[tuple[Any, Any]] = (),
    loss: Loss | None = None,
    streams: bool = True,
) -> Pruned:
    """Removes the channels that matter least, until a share of the multiply-accumulates is left.

    Channels are left in multiples of 8, so that the share can be missed by what one step of the last layer saves.
    Statistics of batch normalization are not measured anew; see `zoo.compress.norms.renew_norms`.

    Args:
        model: a functional or Sequential model, classifier or detector; it is left as it is.
        keep: the share of the multiply-accumulates to keep, more than 0 and at most 1.
        score: how channels are scored, see `zoo.compress.prune.scoring`.
        batches: for `taylor`: inputs and targets, as `loss` takes them.
        loss: for `taylor`: what the model was trained for.
        streams: whether channels that sums couple, those of residual streams, may be removed.

    Raises:
        OptionError: the share cannot be reached, or the score does not fit.
        CompressionError: the model has no channels that can be removed, or Keras cannot copy its layers.
    """
    import keras

    channels = find_channels(model)
    if not streams:
        families = tuple(one for one in channels.families if not one.added)
        channels = Channels(channels.count, channels.layers, families)
    if not channels.families:
        raise CompressionError(
            f"{model.name} has no channels that can be removed: a layer that it does not know how to narrow, or an "
            "output, reads those of each convolution and dense layer"
        )
    if score == "gamma":
        scores = gamma(model, channels)
    elif loss is None:
        raise OptionError("score='taylor' needs pictures and a loss")
    else:
        scores = taylor(model, channels, batches, loss)
    kept = choose(channels, scores, keep)
    smaller = cut(model, channels, kept)
    outputs = smaller.outputs if len(smaller.outputs) > 1 else smaller.outputs[0]
    smaller = keras.Model(smaller.inputs[0], outputs, name=f"{model.name}_keep{100 * keep:.3g}")
    everything = np.ones_like(kept)
    return Pruned(
        model=smaller,
        keep=keep,
        score=score,
        widths=tuple(_width(family, kept) for family in channels.families),
        macs=(_all_macs(channels, everything), _all_macs(channels, kept)),
        params=(_params(model), _params(smaller)),
    )


def _width(family: Family, kept: Mask) -> Width:
    return Width(family.name, len(family.channels), int(kept[family.channels].sum()))


def _all_macs(channels: Channels, kept: Mask) -> int:
    return sum(macs(layer, kept) for layer in channels.layers)


def _params(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.weights)
