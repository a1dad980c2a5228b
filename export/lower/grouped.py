"""Grouped convolutions in a form that runtimes are fast at: depthwise, or plain ones side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ExportError
from zoo.export.options import ExportOptions
from zoo.export.tflite.naming import operations_of
from zoo.text import count_of, plural

if TYPE_CHECKING:
    import keras

MAX_PARTS = 32
"""The most plain convolutions that one grouped convolution becomes."""


def is_grouped(layer: Any) -> bool:
    """Returns whether a layer is a convolution of more than one group, with its channels last."""
    return type(layer).__name__ in {"Conv1D", "Conv2D"} and layer.groups > 1 and layer.data_format == "channels_last"


def call(
    layer: Any, x: keras.KerasTensor, *, split_groups: bool, whole: bool, direct: bool = False
) -> keras.KerasTensor:
    """Calls a grouped convolution in the form that is best.

    Args:
        layer: see `is_grouped`.
        x: its input, `(batch, ..., channels)`.
        split_groups: whether plain convolutions are better than one with few groups.
        whole: whether they have to be, for any number of groups.
        direct: whether TensorFlow's operation is wanted, and not the compiled function that Keras makes of it.

    Raises:
        ExportError: there are too many groups for that.
    """
    if is_depthwise(layer, x.shape[-1]):
        return as_depthwise(layer, x)
    if direct and layer.padding in {"same", "valid"}:
        return as_operation(layer, x)
    if split_groups and (layer.groups <= MAX_PARTS or whole):
        return split(layer, x)
    return layer(x)


def notes(model: keras.Model, options: ExportOptions) -> list[str]:
    """Returns what the user should know of a model's grouped convolutions, one line each."""
    layers = [one for one in operations_of(model) if is_grouped(one) and not is_depthwise(one, one.input.shape[-1])]
    many = [one for one in layers if one.groups > MAX_PARTS]
    if not many or not options.split_groups or options.target == "edgetpu":
        return []
    return [
        f"{count_of(len(many), 'grouped convolution')}, such as {many[0].name!r} with {many[0].groups} groups, "
        f"{plural(len(many), 'stays as it is', 'stay as they are')}, because a file has no more than "
        f"{MAX_PARTS} groups "
        f"apart: tflite-runtime is several times slower on {plural(len(many), 'it', 'them')} in "
        f"{options.quantize} than LiteRT"
    ]


def is_depthwise(layer: Any, channels: int) -> bool:
    """Returns whether each group of a grouped convolution is one channel, so that a depthwise one does the same."""
    return bool(layer.groups == channels and len(set(layer.strides)) == 1)


def as_depthwise(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Calls the depthwise convolution that is the same as a grouped one with a group for each channel."""
    import keras

    kind = {"Conv1D": keras.layers.DepthwiseConv1D, "Conv2D": keras.layers.DepthwiseConv2D}[type(layer).__name__]
    channels = x.shape[-1]
    twin = kind(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=layer.filters // channels,
        dilation_rate=layer.dilation_rate,
        activation=layer.activation,
        use_bias=layer.use_bias,
        name=layer.name,
    )
    twin.build(x.shape)
    # Grouped: (..., 1, filters), the filters of the first channel first. Depthwise: (..., channels, multiplier).
    kernel = np.asarray(layer.kernel).reshape(*layer.kernel_size, channels, -1)
    twin.set_weights([kernel, *([np.asarray(layer.bias)] if layer.use_bias else [])])
    return twin(x)


def as_operation(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Calls TensorFlow's convolution, which finds the groups by the shape of the kernel."""
    import keras
    import tensorflow as tf

    kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias) if layer.use_bias else None

    def convolved(values: Any) -> Any:
        found = tf.nn.convolution(
            values, kernel, strides=layer.strides, padding=layer.padding.upper(), dilations=layer.dilation_rate
        )
        return layer.activation(found if bias is None else found + bias)

    return keras.layers.Lambda(convolved, layer.compute_output_shape(x.shape)[1:], name=layer.name)(x)


def split(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Calls plain convolutions instead of a grouped one: splits the channels, convolves each part, joins the results.

    Raises:
        ExportError: there are too many groups.
    """
    import keras

    if layer.groups > MAX_PARTS:
        raise ExportError(
            f"layer {layer.name!r} ({type(layer).__name__}) has {layer.groups} groups, and an Edge TPU has no grouped "
            f"convolutions: they become plain ones, at most {MAX_PARTS}. Use fewer groups, one a channel "
            "(DepthwiseConv2D), or another target"
        )
    parts = keras.ops.split(x, layer.groups, axis=-1)
    kernels = keras.ops.split(layer.kernel, layer.groups, axis=-1)
    biases = keras.ops.split(layer.bias, layer.groups) if layer.use_bias else None
    results = []
    for i, part in enumerate(parts):
        twin = type(layer)(
            layer.filters // layer.groups,
            layer.kernel_size,
            layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            activation=layer.activation,
            use_bias=layer.use_bias,
            name=f"{layer.name}_group{i}",
        )
        twin.build(part.shape)
        twin.set_weights([kernels[i], *([biases[i]] if biases is not None else [])])
        results.append(twin(part))
    return keras.ops.concatenate(results, axis=-1)
