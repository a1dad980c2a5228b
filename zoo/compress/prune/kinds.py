"""Tells what a layer of Keras does to the channels of its inputs."""

from __future__ import annotations

from typing import Any, Literal

Kind = Literal[
    "dense", "grouped", "separable", "depthwise", "vector", "same", "reshape", "flatten", "join", "sum", "product",
    "other",
]  # fmt: skip
"""`dense`: a convolution or a dense layer, each of whose outputs reads all channels. `grouped`: one in groups.
`separable`: a depthwise convolution and a dense one in one layer. `depthwise`: a kernel for each channel. `vector`: one
number of each weight for each channel, as in batch normalization. `same`: no weights, each channel by itself.
`reshape`: the last axis stays. `flatten`: all axes become one. `join`: channels beside each other. `sum`, `product`:
channel by channel. `other`: anything else, whose channels have to stay."""

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Dense"), "dense"),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), "depthwise"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "separable"),
    **dict.fromkeys(("BatchNormalization", "PReLU"), "vector"),
    **dict.fromkeys(
        (
            "ReLU", "LeakyReLU", "ELU", "Activation", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
            "GaussianNoise", "GaussianDropout", "MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D",
            "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
            "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D",
        ),
        "same",
    ),
    "Flatten": "flatten",
    "Reshape": "reshape",
    "Concatenate": "join",
    **dict.fromkeys(("Add", "Subtract", "Average", "Maximum", "Minimum"), "sum"),
    "Multiply": "product",
}  # fmt: skip
_MIXING = {"softmax", "log_softmax", "sparsemax", "glu"}
"""Activations that do not treat each channel by itself."""


def kind_of(layer: Any, inputs: list[Any], outputs: list[Any]) -> Kind:
    """Returns what a layer or operation does in one of its calls.

    Args:
        layer: the layer or operation.
        inputs: the tensors of the call, with the batch in front.
        outputs: what the call makes.
    """
    kind = _KINDS.get(type(layer).__name__, "other")
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    if not _is_keras(layer) or channels_first or len(outputs) != 1 or not _fits(layer, kind, inputs, outputs[0]):
        return "other"
    if kind == "dense" and getattr(layer, "groups", 1) > 1:
        return "depthwise" if layer.groups == inputs[0].shape[-1] else "grouped"
    return kind


def treats_alone(layer: Any) -> bool:
    """Whether a layer's activation, if it has one, treats each channel by itself; users' own functions may not."""
    activation = getattr(layer, "activation", None)
    return activation is None or (_is_keras(activation) and getattr(activation, "__name__", "") not in _MIXING)


def _fits(layer: Any, kind: Kind, inputs: list[Any], output: Any) -> bool:
    """Returns whether a call is one that its layer's kind describes."""
    last, rank = output.shape[-1], len(output.shape)
    if kind in {"sum", "product"}:
        return {tensor.shape[-1] for tensor in inputs} <= {1, last}
    if kind == "join":
        return bool(layer.axis in {-1, rank - 1})
    if len(inputs) != 1:
        return False
    if kind == "flatten":
        return None not in inputs[0].shape[1:]
    if kind == "reshape":
        return last is not None and bool(inputs[0].shape[-1] == last)
    axes = layer.axis if type(layer).__name__ == "BatchNormalization" else -1
    axis = axes if isinstance(axes, int) else axes[0]
    return bool(axis % rank == rank - 1) and (kind != "same" or treats_alone(layer))


def _is_keras(found: Any) -> bool:
    """Whether a layer or a function is Keras' own, and no user's of the same name."""
    module = found.__module__ if hasattr(found, "__name__") else type(found).__module__
    return str(module).partition(".")[0] == "keras"
