"""The layers of TensorFlow.js: which ones a layer of Keras becomes, with their configuration and weights.

Written are only layers that TensorFlow.js has had since its first versions, because pages of Teachable Machine and ml5
bring old ones. What those lack is made of several: a scaling is a batch normalization, a swish a sigmoid and a product.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ExportError

Array = npt.NDArray[Any]

EPSILON = 1e-3
"""What batch normalization adds to a variance; one that only scales has a variance of 1 less this."""
KEPT = {
    # layer: the fields of its configuration that both know
    "Add": "", "Average": "", "Maximum": "", "Minimum": "", "Multiply": "", "Concatenate": "axis",
    "AveragePooling1D": "pool_size strides padding", "AveragePooling2D": "pool_size strides padding",
    "MaxPooling1D": "pool_size strides padding", "MaxPooling2D": "pool_size strides padding",
    "GlobalAveragePooling1D": "", "GlobalAveragePooling2D": "", "GlobalMaxPooling1D": "", "GlobalMaxPooling2D": "",
    "BatchNormalization": "axis epsilon center scale",
    "Conv1D": "filters kernel_size strides padding dilation_rate use_bias",
    "Conv2D": "filters kernel_size strides padding dilation_rate use_bias",
    "Conv2DTranspose": "filters kernel_size strides padding use_bias",
    "SeparableConv2D": "filters kernel_size strides padding dilation_rate depth_multiplier use_bias",
    "DepthwiseConv2D": "kernel_size strides padding dilation_rate depth_multiplier use_bias",
    "Cropping2D": "cropping", "ZeroPadding2D": "padding",
    "Dense": "units use_bias", "Flatten": "", "Permute": "dims", "RepeatVector": "n", "Reshape": "target_shape",
    "ELU": "alpha",
}  # fmt: skip
WEIGHTS = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Conv1D": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "Conv2DTranspose": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", "bias"),
}
"""The names of the weights of each layer there, in the order of Keras."""
KNOWN = frozenset({*KEPT, "Activation", "InputLayer", "LeakyReLU", "ReLU"})
"""The classes of layers that are written."""
_ACTIVATIONS = frozenset(
    {"elu", "linear", "relu", "relu6", "selu", "sigmoid", "softmax", "softplus", "softsign", "tanh"}
)
"""The activations that both know and compute alike: a hard sigmoid has another slope there."""
_NOTHING = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "SpatialDropout1D",
        "SpatialDropout2D",
    }
)
"""Layers that do nothing but in a training, beside those whose names begin with `Random`."""
_MERGES = frozenset({"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply"})
_SCALED = frozenset({"BatchNormalization", "Normalization", "Rescaling"})
"""Layers that are written as a batch normalization, which is for tensors of two to four axes there."""


@dataclass(frozen=True, eq=False)
class Written:
    """A layer as it is written."""

    kind: str
    name: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    """The names of the layers whose outputs enter it."""
    arrays: dict[str, Array]
    """Its weights, float32, by their names there, in their order."""


@dataclass
class Layers:
    """The layers that have been written so far."""

    model: str
    """The name of the model, for errors."""
    done: list[Written] = field(default_factory=list)

    def add(
        self, kind: str, name: str, config: Mapping[str, Any], inputs: Sequence[str], arrays: Sequence[Array] = ()
    ) -> str:
        """Writes a layer under a name that no other has, and returns that name."""
        taken = {one.name for one in self.done}
        plain = name = clean(name)
        number = 1
        while name in taken:
            name, number = f"{plain}_{number}", number + 1
        names = names_of(kind, config)
        weights = {key: np.asarray(array, np.float32) for key, array in zip(names, arrays, strict=True)}
        self.done.append(Written(kind, name, dict(config), tuple(inputs), weights))
        return name

    def scaled(self, name: str, x: str, scale: Any, offset: Any, channels: int) -> str:
        """Writes `scale * x + offset`, for each channel of the last axis."""
        gamma, beta = (np.broadcast_to(np.asarray(value, np.float64), channels) for value in (scale, offset))
        config = {"axis": -1, "epsilon": EPSILON, "center": True, "scale": True}
        arrays = (gamma, beta, np.zeros(channels), np.full(channels, 1 - EPSILON))
        return self.add("BatchNormalization", name, config, (x,), arrays)

    def activated(self, name: str, x: str, function: str, channels: int) -> str:
        """Writes an activation, of several layers where there is none of that name.

        Raises:
            ExportError: it is none that TensorFlow.js has the layers for.
        """
        if function == "linear":
            return x
        if function in _ACTIVATIONS:
            return self.add("Activation", f"{name}_{function}", {"activation": function}, (x,))
        if function == "hard_sigmoid":
            shifted = self.scaled(f"{name}_scaled", x, 1 / 6, 0.5, channels)
            return self.add("ReLU", f"{name}_cut", {"max_value": 1.0}, (shifted,))
        if function in {"silu", "swish", "hard_silu", "hard_swish"}:
            gate = self.activated(name, x, "hard_sigmoid" if function.startswith("hard") else "sigmoid", channels)
            return self.add("Multiply", f"{name}_product", {}, (x, gate))
        raise self.refused(name, f"the activation {function}")

    def refused(self, name: str, what: str) -> ExportError:
        """Returns the error for a layer that cannot be written."""
        return ExportError(
            f"{self.model} cannot be written for TensorFlow.js, which has no layer for {what} ({name!r}); export it "
            "to .tflite"
        )


def clean(name: str) -> str:
    """Returns a name that TensorFlow.js takes for a layer, whose weights are tensors of that name."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return name if re.match(r"[A-Za-z0-9]", name) else f"layer{name}"


def names_of(kind: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of the weights that a layer has with this configuration."""
    absent = {"bias"} if not config.get("use_bias", True) else set()
    if kind == "BatchNormalization":
        absent = {name for name, key in (("gamma", "scale"), ("beta", "center")) if not config[key]}
    return tuple(name for name in WEIGHTS.get(kind, ()) if name not in absent)


def write(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    """Writes what a layer, or an operation, of Keras becomes, and returns the name of the last one.

    Args:
        layers: those before it.
        layer: the layer.
        inputs: the names of the layers whose outputs enter it.
        shape: the shape of its first input, with the batch.

    Raises:
        ExportError: TensorFlow.js has no layers for it; the message names it.
    """
    kind, name = type(layer).__name__, str(layer.name)
    if kind in _NOTHING or kind.startswith("Random"):
        return inputs[0]
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        raise layers.refused(name, f"{kind} with its channels first")
    _require_arguments(layers, layer, shape)
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(layers, layer, inputs, shape)
    if not hasattr(layer, "get_weights"):  # an operation, such as the sum that `a + b` is
        return _operation(layers, layer, inputs)
    if kind not in KEPT:
        raise layers.refused(name, kind)
    if kind == "Flatten" and len(shape) == 2:  # TensorFlow.js flattens three axes or more
        return inputs[0]
    whole = layer.get_config()
    config = {key: whole[key] for key in KEPT[kind].split()}
    if isinstance(config.get("axis"), list | tuple):
        (config["axis"],) = config["axis"]
    if getattr(layer, "groups", 1) > 1:
        last = _grouped(layers, layer, config, inputs[0])
    else:
        last = layers.add(kind, name, config, inputs, layer.get_weights())
    channels = int(layer.output.shape[-1] or 0)
    if getattr(layer, "keepdims", False):
        return layers.add("Reshape", f"{name}_kept", {"target_shape": list(layer.output.shape[1:])}, (last,))
    return layers.activated(name, last, _function(layer), channels)


def _require_arguments(layers: Layers, layer: Any, shape: tuple[int | None, ...]) -> None:
    """Refuses a layer with arguments that TensorFlow.js 4.22 refuses, or ignores.

    Raises:
        ExportError: it has such; the message names the layer and the argument.
    """
    kind, rank = type(layer).__name__, len(shape)
    fault = ""
    dilated = any(rate != 1 for rate in np.ravel(getattr(layer, "dilation_rate", 1)))
    if kind == "ELU" and layer.alpha != 1:
        fault = f"ELU with alpha={layer.alpha:g}, only with 1"
    elif kind == "LeakyReLU" and not math.isfinite(layer.negative_slope):
        fault = f"LeakyReLU with a slope of {layer.negative_slope:g}"
    elif getattr(layer, "padding", None) == "causal":
        fault = f"{kind} with padding='causal'; put a ZeroPadding in front of one with padding='valid'"
    elif kind in {"Conv2DTranspose", "DepthwiseConv2D"} and dilated:
        fault = f"{kind} with a dilation_rate other than 1"
    elif kind == "Conv2DTranspose" and tuple(layer.output.shape[1:3]) != _transposed(layer, shape):
        fault = f"Conv2DTranspose with output_padding={layer.output_padding}"
    elif kind == "BatchNormalization" and np.ravel(layer.axis)[0] not in {-1, rank - 1}:
        fault = "BatchNormalization over another axis than the last"
    elif (rank > 4 and (kind in _SCALED or _function(layer).startswith("hard_"))) or (
        "Conv" in kind and rank != 3 + kind.count("2D")
    ):
        fault = f"{kind} on {rank} axes"
    if fault:
        raise layers.refused(str(layer.name), fault)


def _transposed(layer: Any, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Returns the height and width that TensorFlow.js gives a transposed convolution."""
    sizes = zip(shape[1:3], layer.strides, layer.kernel_size, strict=True)
    more = layer.padding == "valid"
    return tuple(int(size or 0) * stride + (max(kernel - stride, 0) if more else 0) for size, stride, kernel in sizes)


def _function(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    if activation is None:
        return "linear"
    return str(getattr(activation, "__name__", type(activation).__name__))  # a layer may be one, too


def _operation(layers: Layers, operation: Any, inputs: Sequence[str]) -> str:
    kind, name = type(operation).__name__, str(operation.name)
    tensors = [one for node in operation._inbound_nodes[:1] for one in node.input_tensors]
    if kind not in _MERGES or len(inputs) < 2 or len(tensors) != len(inputs):
        raise layers.refused(name, f"the operation {kind}")
    return layers.add(kind, name, {"axis": operation.axis} if kind == "Concatenate" else {}, inputs)


def _grouped(layers: Layers, layer: Any, config: dict[str, Any], x: str) -> str:
    """Writes a grouped convolution as plain ones of a part of the channels each, which are cut out and joined.

    A cropping with the channels first cuts the last two axes, whatever they are: here the width and the channels.
    """
    name, groups = str(layer.name), int(layer.groups)
    if type(layer).__name__ != "Conv2D":
        raise layers.refused(name, f"{type(layer).__name__} in {groups} groups")
    kernel, *bias = layer.get_weights()
    width = kernel.shape[2]
    parts = []
    for i, part in enumerate(np.split(kernel, groups, axis=-1)):
        cut = [[0, 0], [i * width, (groups - 1 - i) * width]]
        entry = layers.add("Cropping2D", f"{name}_part{i}", {"cropping": cut, "data_format": "channels_first"}, (x,))
        arrays = [part, *(np.split(one, groups)[i] for one in bias)]
        own = {**config, "filters": part.shape[-1]}
        parts.append(layers.add("Conv2D", f"{name}_group{i}", own, (entry,), arrays))
    return layers.add("Concatenate", name, {"axis": -1}, parts)


def _relu(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    del shape
    if layer.threshold or (layer.negative_slope and layer.max_value is not None):
        raise layers.refused(str(layer.name), "ReLU with a threshold, or with a slope and a highest value")
    if layer.negative_slope:
        return layers.add("LeakyReLU", layer.name, {"alpha": float(layer.negative_slope)}, inputs)
    highest = layer.max_value
    return layers.add("ReLU", layer.name, {"max_value": None if highest == math.inf else highest}, inputs)


def _leaky(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    del shape
    return layers.add("LeakyReLU", layer.name, {"alpha": float(layer.negative_slope)}, inputs)


def _softmax(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    if layer.axis not in {-1, len(shape) - 1}:
        raise layers.refused(str(layer.name), f"a softmax over axis {layer.axis}")
    return layers.add("Activation", layer.name, {"activation": "softmax"}, inputs)


def _activation(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    return layers.activated(str(layer.name), inputs[0], _function(layer), int(shape[-1] or 0))


def _rescaling(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    return layers.scaled(str(layer.name), inputs[0], layer.scale, layer.offset, int(shape[-1] or 0))


def _normalization(layers: Layers, layer: Any, inputs: Sequence[str], shape: tuple[int | None, ...]) -> str:
    channels = int(shape[-1] or 0)
    mean, variance = (np.asarray(value, np.float64).ravel() for value in (layer.mean, layer.variance))
    if layer.invert or {mean.size, variance.size} - {1, channels}:
        raise layers.refused(str(layer.name), "a normalization over other axes than the last")
    deviation = np.maximum(np.sqrt(variance), 1e-7)  # Keras' epsilon
    return layers.scaled(str(layer.name), inputs[0], 1 / deviation, -mean / deviation, channels)


_SPECIAL: dict[str, Callable[[Layers, Any, Sequence[str], tuple[int | None, ...]], str]] = {
    "Activation": _activation,
    "LeakyReLU": _leaky,
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Softmax": _softmax,
}
