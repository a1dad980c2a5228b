"""Rebuilds a Keras model with fewer channels, and counts what it computes then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.compress.copying import copy
from zoo.compress.prune.channels import Channels, Weighted

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
"""For each channel of a model whether it is kept, `(channels,)`."""


def cut(model: keras.Model, channels: Channels, kept: Mask) -> keras.Model:
    """Returns a model with the channels that are kept, and with new layers, which keep their names.

    The layers of nested models stand in the place of the nested model. The answers are those of `model` with zeros for
    what each removed channel gives to the layers that read it.

    Args:
        model: the model, which is left as it is.
        channels: its channels.
        kept: the channels to keep; in each family as many of each part, and at least one.

    Raises:
        CompressionError: Keras cannot copy one of the layers.
    """
    weighted = {id(one.layer): one for one in channels.layers}

    def config(layer: Any) -> dict[str, Any]:
        return _config(weighted[id(layer)], kept) if id(layer) in weighted else {}

    def weights(layer: Any) -> list[Array] | None:
        return _weights(weighted[id(layer)], kept) if id(layer) in weighted else None

    return copy(model, config, weights)


def macs(layer: Weighted, kept: Mask) -> int:
    """Returns the multiply-accumulates of a layer for one input, as `zoo.summary.table` counts them."""
    ins, outs = int(kept[layer.ins].sum()), int(kept[layer.outs].sum())
    if layer.kind in {"dense", "grouped"}:
        return layer.positions * _area(layer.layer.kernel) * ins * outs // layer.groups
    if layer.kind == "depthwise":
        return layer.positions * _area(layer.layer.kernel) * outs
    if layer.kind == "separable":
        multiplier = int(layer.layer.depth_multiplier)
        return layer.positions * ins * multiplier * (_area(layer.layer.depthwise_kernel) + outs)
    return 0


def _area(kernel: Any) -> int:
    """Returns the number of positions of a kernel's window; 1 for a dense layer."""
    return math.prod(int(size) for size in kernel.shape[:-2])


def _config(one: Weighted, kept: Mask) -> dict[str, Any]:
    """Returns what a layer's configuration says of its channels."""
    outs = int(kept[one.outs].sum())
    if one.kind == "reshape":
        return {"target_shape": (*one.layer.target_shape[:-1], outs)}
    if one.kind in {"dense", "grouped", "separable"}:
        return {"units" if type(one.layer).__name__ == "Dense" else "filters": outs}
    if one.kind == "depthwise" and hasattr(one.layer, "filters"):  # a convolution with a group for each channel
        return {"filters": outs, "groups": int(kept[one.ins].sum())}
    return {}


def _weights(one: Weighted, kept: Mask) -> list[Array]:
    """Returns the weights of a layer, without those of the removed channels."""
    ins, outs = kept[one.ins], kept[one.outs]
    found = []
    for variable in one.layer.weights:
        value = np.asarray(variable)
        if variable.name == "bias" or one.kind == "vector":
            value = value[..., outs]
        elif one.kind == "dense":
            value = value[..., ins, :][..., outs]
        elif one.kind == "grouped":
            value = _grouped(value, ins, outs, one.groups)
        elif one.kind == "depthwise":
            value = value[..., outs] if hasattr(one.layer, "filters") else value[..., ins, :]
        elif variable.name == "depthwise_kernel":
            value = value[..., ins, :]
        elif variable.name == "pointwise_kernel":
            value = value[..., np.repeat(ins, one.layer.depth_multiplier), :][..., outs]
        found.append(value)
    return found


def _grouped(kernel: Array, ins: Mask, outs: Mask, groups: int) -> Array:
    """Returns the kernel `(..., channels of a group, filters)` of a grouped convolution without removed channels."""
    pieces = zip(np.split(kernel, groups, axis=-1), np.split(ins, groups), np.split(outs, groups), strict=True)
    return np.concatenate([piece[..., i, :][..., o] for piece, i, o in pieces], axis=-1)
