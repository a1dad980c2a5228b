"""Compares single layers of a file with those of a model: whether they fit, and whether a head can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.published import Backbone
from zoo.weights.formats.files import Contents, Layer, Stage, listed
from zoo.weights.preprocessing import Array

if TYPE_CHECKING:
    import keras

# The kinds of layers that may follow a backbone in a model whose head can be used.
# With the sum at the end of a residual backbone.
_PLAIN = {"input_layer", "dropout", "dense", "softmax", "activation", "re_lu", "identity", "flatten", "reshape", "add"}
_FLATTENED = _PLAIN | {"max_pooling2d"}
_POOLED = _FLATTENED | {"global_average_pooling2d"}


def misfit(layer: Layer, found: Layer | None) -> str:
    """Says how a layer does not fit: `layer 'conv1' has kernel (3, 3, 3, 8), the file has (3, 3, 3, 16)`."""
    if found is None:
        return f"the file has nothing for layer {layer.name!r}"
    for i, shape in enumerate(layer.shapes):
        name = layer.names[i] if i < len(layer.names) else f"array {i}"
        if i >= len(found.shapes):
            return f"layer {layer.name!r} has {name} {shape}, the file has none ({found.name})"
        if found.shapes[i] != shape:
            return f"layer {layer.name!r} has {name} {shape}, the file has {found.shapes[i]} ({found.name})"
    return f"layer {layer.name!r} has {len(layer.arrays)} arrays, the file has {len(found.arrays)} ({found.name})"


def dense_shape(layer: Layer) -> tuple[int, int] | None:
    """Returns inputs and units of a dense layer, or of the 1x1 convolution that stands for one behind global pooling.

    None stands for any other layer. Its weights need not be allocated.
    """
    shapes: tuple[tuple[int, ...], ...] = layer.shapes or ((),)
    kernel, others = shapes[0], shapes[1:]
    plain = layer.kind in {"", "dense"} and len(kernel) == 2
    convolution = layer.kind in {"", "conv2d"} and len(kernel) == 4 and kernel[:2] == (1, 1)
    if not (plain or convolution) or others not in {(), ((kernel[-1],),)}:
        return None
    return kernel[-2], kernel[-1]


def is_head(layer: Layer, model: keras.Model) -> bool:
    """Whether a model's last layer with weights has a unit for each class."""
    shape = dense_shape(layer)
    return shape is not None and (len(layer.shapes[0]) == 2 or shape[1:] == tuple(model.outputs[0].shape[1:]))


def head_fault(head: Layer, rest: Sequence[Layer], backbone: Backbone | None, contents: Contents) -> str:
    """Says why our model cannot use the head in the file; empty if it can."""
    if not rest:
        return "it has no head"
    own, found = dense_shape(head), dense_shape(rest[0])
    if len(rest) > 1 or found is None or own is None:
        return f"its head is more than one dense layer ({listed(rest)})"
    if found[0] != own[0]:
        return misfit(head, rest[0])
    if backbone is None:
        return "" if len(rest[0].arrays) == len(head.arrays) else misfit(head, rest[0])
    if not contents.stages:
        return "" if found[1] > 1 else "its head has a single unit"
    return _graph_fault(contents.stages, rest[0])


def head_arrays(head: Layer, found: Layer, *, softmax: bool) -> tuple[Array, ...]:
    """Returns the arrays of a file's head for ours, whichever of the two is a dense layer or a 1x1 convolution.

    Args:
        head: our layer.
        found: the file's, with as many inputs.
        softmax: whether ours has a bias and ends in a softmax. Then one unit with a sigmoid becomes two units, of which
            the first is always 0, with the same probabilities.
    """
    arrays: list[Array] = [np.asarray(array) for array in found.arrays]
    kernel: Array = arrays[0].reshape(arrays[0].shape[-2:])
    others = arrays[1:]
    if softmax:
        bias = others[0] if others else np.zeros(kernel.shape[1], np.float32)
        if kernel.shape[1] == 1:
            kernel, bias = (np.concatenate([np.zeros_like(part), part], axis=-1) for part in (kernel, bias))
        others = [bias]
    return (kernel.reshape(*head.shapes[0][:-2], *kernel.shape), *others)


def _graph_fault(stages: Sequence[Stage], head: Layer) -> str:
    """Says why the layers behind a backbone are not pooling (or flattening), dropout and a softmax of classes.

    Args:
        stages: all layers of the file's model.
        head: the last of them with weights, a dense layer or a 1x1 convolution.
    """
    kind, units = ("dense" if len(head.shapes[0]) == 2 else "conv2d"), head.shapes[0][-1]
    at = max(i for i, stage in enumerate(stages) if stage.kind == kind)
    last = max(i for i, stage in enumerate(stages[:at]) if stage.kind in {"conv2d", "batch_normalization"})
    kinds = {stage.kind for i, stage in enumerate(stages) if i > last and i != at}
    strange = kinds - (_POOLED if "global_average_pooling2d" in kinds else _FLATTENED)
    if strange:
        return f"its head has layers that ours does not have ({', '.join(sorted(strange))})"
    found = [stages[at], *(stage for stage in stages[at + 1 :] if stage.kind == "activation")]
    activations = [name for stage in found if (name := stage.config.get("activation", "linear")) != "linear"]
    if units > 1 and activations in ([], ["softmax"]):
        return ""
    if units == 1 and activations == ["sigmoid"]:
        return ""
    shown = " and ".join(map(repr, activations or ["linear"]))
    return f"its head has {units} unit{'s' * (units > 1)} with the activation {shown}, not a softmax of classes"
