"""What a training can simulate of an int8 file, layer by layer; a model with anything else is refused by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import CompressionError
from zoo.graph import calls_of, graph_of, input_readers, scaling_of
from zoo.inputs.preprocessing import is_picture

if TYPE_CHECKING:
    import keras

BITS = (2, 3, 4, 5, 6, 7, 8)
"""Numbers of bits that weights may have."""
_WEIGHTED = frozenset({"Conv2D", "Dense", "DepthwiseConv2D"})
_PASSING = frozenset({
    "Anchors", "AveragePooling2D", "Dropout", "Flatten", "Identity", "MaxPooling2D", "Reshape", "SpatialDropout2D",
    "UpSampling2D", "ZeroPadding2D",
})  # fmt: skip
"""Layers whose outputs have the scale of their inputs."""
_COMPUTING = frozenset({"Activation", "Add", "Concatenate", "GlobalAveragePooling2D", "ReLU", "Rescaling", "Softmax"})
_ENDS = frozenset({"sigmoid", "softmax"})
"""Activations whose outputs have the scale 1/256 in every file."""
_FUSED = frozenset({"linear", "relu", "relu6"})
"""Activations that are a part of the operation before them."""


def activation_of(layer: Any) -> str:
    """Returns the name of a layer's activation; `linear` for a layer that has none."""
    kind = type(layer).__name__
    if kind == "ReLU":
        return "relu6" if layer.max_value == 6 else "relu"
    return "softmax" if kind == "Softmax" else str(getattr(getattr(layer, "activation", None), "__name__", "linear"))


def is_weighted(layer: Any) -> bool:
    """Whether a layer has a kernel that an int8 file rounds."""
    return type(layer).__name__ in _WEIGHTED


def passes_on(layer: Any) -> bool:
    """Whether the outputs of a layer have the scale of its inputs."""
    kind = type(layer).__name__
    return kind in _PASSING or (kind == "Activation" and activation_of(layer) == "linear")


def ends(layer: Any) -> bool:
    """Whether a layer is a softmax or a sigmoid, whose outputs have the same scale in every file."""
    return activation_of(layer) in _ENDS


def is_relu(layer: Any) -> bool:
    """Whether a layer is a ReLU of its own, which a file computes in the operation before it, where it can."""
    return type(layer).__name__ in {"Activation", "ReLU"} and activation_of(layer) in {"relu", "relu6"}


def fuses_relu(layer: Any) -> bool:
    """Whether a ReLU that alone reads a layer becomes a part of the layer's operation."""
    return (is_weighted(layer) and activation_of(layer) == "linear") or type(layer).__name__ == "Add"


def require_supported(model: keras.Model, *, per_tensor: bool = False) -> None:
    """Refuses a model whose int8 file a training cannot simulate.

    Args:
        model: a model without nested ones, whose batch normalization is folded.
        per_tensor: whether kernels are to have one scale.

    Raises:
        CompressionError: the message names the first layer that is in the way.
    """
    called = set()
    for call in calls_of(graph_of(model)):
        layer = call.operation
        fault = _fault(model, layer)
        if not fault and layer.name in called:
            fault = "is called more than once"
        if not fault and per_tensor and getattr(layer, "groups", 1) > 1:
            fault = f"has {layer.groups} groups, which some targets take apart, and each part would have its own scale"
        if fault:
            raise CompressionError(
                f"{model.name} cannot be trained for int8: layer {layer.name!r} ({type(layer).__name__}) {fault}"
            )
        called.add(layer.name)
    if not any(is_weighted(call.operation) for call in calls_of(graph_of(model))):
        raise CompressionError(f"{model.name} cannot be trained for int8: it has neither convolutions nor dense layers")


def _fault(model: keras.Model, layer: Any) -> str:
    """Returns what is the matter with a layer, to follow its name; empty if nothing is."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        return "does not stand alone behind a convolution or a dense layer, into which it would be folded"
    foreign = not type(layer).__module__.startswith("keras.") and kind != "Anchors"
    if foreign or kind not in _WEIGHTED | _PASSING | _COMPUTING:
        return "is not among the layers whose integer arithmetic is simulated"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return "has its channels first"
    activation = activation_of(layer)
    if activation not in _FUSED | _ENDS:
        return f"has the activation {activation}, which is not simulated"
    return _kind_fault(model, layer)


def _kind_fault(model: keras.Model, layer: Any) -> str:
    """Returns what is the matter with the settings of a layer of some kinds."""
    kind = type(layer).__name__
    if kind == "ReLU" and (layer.max_value not in {None, 6} or layer.negative_slope or layer.threshold):
        return "is another ReLU than those from 0 on, to 6 or without an end"
    if kind == "UpSampling2D" and layer.interpolation != "nearest":
        return "interpolates; only 'nearest' is simulated"
    return _scaling_fault(model, layer) if kind == "Rescaling" else ""


def _scaling_fault(model: keras.Model, layer: Any) -> str:
    """Returns what is the matter with a scaling: it is neither the input's nor one of a picture's channels."""
    shape = tuple(model.inputs[0].shape[1:])
    first = scaling_of(model)
    if first is not None and any(layer is one for one in input_readers(model)):
        carried = is_picture(shape) and first.is_carried
        return "" if carried else f"scales its inputs to {first.range}, which no input of an integer file carries"
    channels = layer.output.shape[-1]
    by_channel = max(np.size(layer.scale), np.size(layer.offset)) > 1 and len(layer.output.shape) == 4
    return "" if by_channel and channels <= 4 else "is neither the first layer nor one scale for each colour"
