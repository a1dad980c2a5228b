"""Cross-layer equalization: channels of neighbouring layers get weights of one size, and the answers stay the same.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019,
https://arxiv.org/abs/1906.04721), section 4.1. Where one scale has to serve all channels of a layer, a channel of small
weights is lost beside one of large weights. A channel may be divided by any positive number in one layer, and its
weights in the next one multiplied by it: ReLU and pooling between them do not mind.

ReLU6 does, because it cuts off at 6. The paper takes ReLU for it, which changes the answers. Here the example inputs
say which channels reach 6: those stay as they are, and no other one is scaled to where it would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.compress.folding import fold_batch_norms
from zoo.errors import CompressionError
from zoo.graph import calls_of, graph_of

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

PASSES = 20
"""How often all pairs are gone through: a depthwise layer is the second of one pair and the first of another."""
ENOUGH = 1e-3
"""The relative change of the scales from which no further pass is made."""
SAFE = 0.8
"""The share of a cap up to which a channel may be scaled on the example inputs; other inputs may reach further."""
LARGEST = 1e4
"""The largest factor in one pass; a channel of zeros would ask for any."""
DEAD = 1e-4
"""The part of the largest channel's weights below which a channel does nothing; many trained nets have such ones."""
SAME = 1e-4
"""How far answers may be apart, as a share of the largest one."""
COMPARED = 16
BATCH = 16

_HOMOGENEOUS = frozenset({
    "AveragePooling2D", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Identity",
    "MaxPooling2D", "SpatialDropout2D", "ZeroPadding2D",
})  # fmt: skip
"""Layers that give the scaled results for scaled inputs, channel by channel."""


@dataclass(frozen=True)
class Pair:
    """Two layers whose weights can be balanced against each other."""

    first: Any
    second: Any
    cap: float | None
    """The value at which the activation between them cuts off; None for none."""
    between: Any
    """The tensor behind that activation."""


@dataclass(frozen=True)
class Equalized:
    """A model whose channels were equalized, and what that did."""

    model: keras.Model
    """The model, with its batch normalization folded."""
    pairs: int
    """Number of pairs of layers that were balanced."""
    before: float
    """The largest unevenness of a layer of the pairs, see `unevenness`."""
    after: float
    """The same after the equalization."""

    @property
    def note(self) -> str:
        """It in one line."""
        if not self.pairs:
            return "there is nothing to equalize: no two neighbouring layers have only ReLU, ReLU6 or pooling between"
        return (
            f"the channels of {self.pairs} pairs of layers were equalized: the largest channel of a layer had weights "
            f"up to {self.before:.3g} times as large as a small one, and has {self.after:.3g} times"
        )


def equalize(model: keras.Model, inputs: Array) -> Equalized:
    """Balances the weights of neighbouring layers, channel by channel; the answers stay the same.

    Args:
        model: a functional or Sequential model with one input; it is left as it is.
        inputs: examples, `(count, *input_shape)`, which show where an activation with a cap reaches it.

    Raises:
        CompressionError: the model has no graph, or its answers to the examples would change.
    """
    folded = fold_batch_norms(model)
    pairs = list(pairs_of(folded))
    reached = _reached(folded, pairs, inputs)
    before = _most_uneven(pairs)
    for _ in range(PASSES):
        if max([0.0, *(_balance(pair, reached.get(id(pair))) for pair in pairs)]) < ENOUGH:
            break
    _require_same(model, folded, inputs[:COMPARED])
    return Equalized(folded, len(pairs), before, _most_uneven(pairs))


def pairs_of(folded: keras.Model) -> Iterator[Pair]:
    """Yields the pairs of a model whose batch normalization is folded, in the order of its graph."""
    calls = calls_of(graph_of(folded))
    readers: dict[int, list[Any]] = {id(output): [None] for output in graph_of(folded).outputs}
    counts: dict[int, int] = {}
    for call in calls:
        counts[id(call.operation)] = counts.get(id(call.operation), 0) + 1
        for tensor in call.input_tensors:
            readers.setdefault(id(tensor), []).append(call)
    for call in calls:
        pair = _pair_from(call, readers) if _is_first(call.operation) else None
        if pair is not None and counts[id(pair.first)] == counts[id(pair.second)] == 1:
            yield pair


def _pair_from(call: Any, readers: dict[int, list[Any]]) -> Pair | None:
    """Returns the pair that begins with a layer; None if what follows cannot be scaled along."""
    cap = _cap_of(call.operation)
    between, tensor = call.outputs[0], call.outputs[0]
    while True:
        following = readers.get(id(tensor), [])
        if cap is False or len(following) != 1 or following[0] is None:
            return None
        layer, tensor = following[0].operation, following[0].outputs[0]
        if _is_second(layer):
            return Pair(call.operation, layer, cap or None, between)
        kind = type(layer).__name__
        if kind in {"ReLU", "Activation"}:
            found = _cap_of(layer)
            # Two caps in a row are one cap, which no net has.
            cap = found if not cap else False
            between = tensor
        elif kind not in _HOMOGENEOUS:
            return None


def _cap_of(layer: Any) -> Any:
    """Returns where a layer's activation cuts off; None for nowhere, False if its results cannot be scaled."""
    if type(layer).__name__ == "ReLU":
        plain = not layer.negative_slope and not layer.threshold
        return (None if layer.max_value is None else float(layer.max_value)) if plain else False
    name = getattr(layer.activation, "__name__", "linear")
    return {"linear": None, "relu": None, "relu6": 6.0}.get(name, False)


def _is_first(layer: Any) -> bool:
    return _has_kernel(layer) and getattr(layer, "groups", 1) == 1 and layer.use_bias


def _is_second(layer: Any) -> bool:
    return _has_kernel(layer) and getattr(layer, "groups", 1) == 1


def _has_kernel(layer: Any) -> bool:
    kind = type(layer).__name__
    if kind == "DepthwiseConv2D" and layer.depth_multiplier != 1:
        return False
    channels_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return kind in {"Conv2D", "DepthwiseConv2D", "Dense"} and channels_last


def _by_output(layer: Any) -> Array:
    """Returns the largest weight of each channel of a layer's output."""
    kernel = np.abs(np.asarray(layer.kernel))
    # A depthwise kernel ends in channels and their multiplier, which together are the channels of the output.
    last = kernel.shape[-2:] if type(layer).__name__.endswith("DepthwiseConv2D") else kernel.shape[-1:]
    return np.asarray(kernel.reshape(-1, int(np.prod(last))).max(axis=0))


def _by_input(layer: Any, channels: int) -> Array:
    """Returns the largest weight that each of so many channels of a layer's input meets."""
    kernel = np.abs(np.asarray(layer.kernel))
    kind = type(layer).__name__
    if kind == "DepthwiseConv2D":
        return np.asarray(kernel[..., 0].max(axis=(0, 1)))
    if kind == "Conv2D":
        return np.asarray(kernel.max(axis=(0, 1, 3)))
    # A flattened map has all channels of the first position first.
    return np.asarray(kernel.max(axis=1).reshape(-1, channels).max(axis=0))


def _scale_input(layer: Any, factors: Array) -> None:
    kernel = np.asarray(layer.kernel)
    kind = type(layer).__name__
    if kind == "Dense":
        kernel = kernel * np.tile(factors, len(kernel) // len(factors))[:, np.newaxis]
    else:
        kernel = kernel * factors[:, np.newaxis]
    layer.kernel.assign(kernel.astype(np.float32))


def _scale_output(layer: Any, factors: Array) -> None:
    kernel = np.asarray(layer.kernel)
    kernel = kernel * (factors[:, np.newaxis] if type(layer).__name__ == "DepthwiseConv2D" else factors)
    layer.kernel.assign(kernel.astype(np.float32))
    layer.bias.assign((np.asarray(layer.bias) * factors).astype(np.float32))


def _balance(pair: Pair, reached: Array | None) -> float:
    """Gives each channel weights of the same size on both sides; returns the largest relative change.

    Args:
        pair: the layers.
        reached: the largest value of each channel between them, where that has a cap; scaled along.
    """
    first = _by_output(pair.first)
    second = _by_input(pair.second, len(first))
    there = (first > 0) & (second > 0)
    factors = np.ones_like(first)
    # Each channel is to take the same share of its layer's range on both sides: where a channel that cannot be scaled
    # makes one range wide, the others may be large there, too.
    shares = (second[there] / second.max()) / (first[there] / first.max()) if there.any() else 1.0
    factors[there] = np.clip(np.sqrt(shares), 1 / LARGEST, LARGEST)
    if reached is not None and pair.cap is not None:
        room = np.where(reached > 0, SAFE * pair.cap / np.maximum(reached, 1e-12), LARGEST)
        # Scaled down, a channel that stays below its cap does so all the more.
        factors = np.where(reached >= pair.cap, 1.0, np.minimum(factors, np.maximum(room, 1.0)))
        reached *= factors
    _scale_output(pair.first, factors)
    _scale_input(pair.second, 1 / factors)
    return float(np.abs(factors - 1).max())


def _reached(folded: keras.Model, pairs: list[Pair], inputs: Array) -> dict[int, Array]:
    """Returns the largest value of each channel between the layers of the pairs with a cap, by the pair's identity."""
    import keras
    import tensorflow as tf

    capped = [pair for pair in pairs if pair.cap is not None]
    if not capped:
        return {}
    taps = keras.Model(folded.inputs[0], [pair.between for pair in capped])

    def run(batch: Any) -> Any:
        found = keras.tree.flatten(taps(batch, training=False))
        return [tf.reduce_max(tf.reshape(one, (-1, one.shape[-1])), axis=0) for one in found]

    concrete = tf.function(run).get_concrete_function(tf.TensorSpec(folded.inputs[0].shape, tf.float32))
    largest: dict[int, Array] = {}
    for start in range(0, len(inputs), BATCH):
        batch = tf.constant(np.asarray(inputs[start : start + BATCH], np.float32))
        for pair, values in zip(capped, concrete(batch), strict=True):
            seen = np.asarray(values, np.float64)
            largest[id(pair)] = np.maximum(largest.get(id(pair), seen), seen)
    return largest


def unevenness(layer: Any) -> float:
    """Returns how many times as large as a small channel's the largest channel's weights are, by a layer's output.

    A small one is at the tenth percentile of those that are not dead.
    """
    sizes = _by_output(layer)
    there = sizes[sizes > DEAD * sizes.max()]
    return float(there.max() / np.quantile(there, 0.1)) if there.size else 1.0


def _most_uneven(pairs: list[Pair]) -> float:
    layers = {id(one): one for pair in pairs for one in (pair.first, pair.second)}
    return max(map(unevenness, layers.values()), default=1.0)


def _require_same(model: keras.Model, equalized: keras.Model, inputs: Array) -> None:
    """Compares the answers.

    Raises:
        CompressionError: they differ by more than rounding.
    """
    import keras

    values = keras.ops.convert_to_tensor(np.asarray(inputs, np.float32))
    first, second = (keras.tree.flatten(one(values, training=False)) for one in (model, equalized))
    for ours, theirs in zip(map(np.asarray, first), map(np.asarray, second), strict=True):
        apart, largest = float(np.abs(ours - theirs).max()), max(1.0, float(np.abs(ours).max()))
        if not apart <= SAME * largest:
            raise CompressionError(
                f"{model.name} answers differently after equalization, by {apart:.2g} where its largest answer is "
                f"{largest:.2g}; leave out --equalize"
            )
