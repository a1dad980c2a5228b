"""The Keras layers that compute as an int8 file does: kernels on a grid, and activations within ranges.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018,
https://arxiv.org/abs/1712.05877), sections 2 and 3. Gradients pass the rounding as if it were not there.
This module imports Keras and TensorFlow.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.compress.supported import BITS

FILE_LEVELS = 127
"""Largest int8 weight in a file; the smallest is -127."""
ACTIVATION_STEPS = 255
"""Steps between the lowest and the highest value of an int8 activation."""
MOMENTUM = 0.99
"""Share of a range that an epoch's batch leaves as it is, in the exponential moving average."""
LEAST_RANGE = 1e-6
"""Least width of a range: that of a channel that is always zero."""


def on_grid(kernel: Any, axes: tuple[int, ...], bits: int) -> tuple[Any, Any]:
    """Rounds a kernel to the values that it has in an int8 file.

    With 8 bits these are the whole numbers from -127 to 127, with fewer bits 2^bits - 1 of them, as evenly spaced as
    whole numbers can be: 0, 18, 36, 54, 73, 91, 109 and 127 with 4 bits.

    Args:
        kernel: a tensor of any shape.
        axes: the axes over which the weights have one scale.
        bits: the number of bits of a weight, 2 to 8.

    Returns:
        The whole numbers in float32, of the kernel's shape, and their scale: the largest magnitude over `axes` / 127.
    """
    levels = 2 ** (bits - 1) - 1
    largest = ops.max(ops.abs(kernel), axis=axes, keepdims=True)
    scale = ops.where(largest > 0, largest, 1.0) / FILE_LEVELS
    steps = ops.round(kernel / scale * (levels / FILE_LEVELS))
    return ops.round(steps * (FILE_LEVELS / levels)), scale


class _Quantized:
    """What the layers with a kernel have in common; it stands before the layer of Keras among the bases."""

    def __init__(self, *args: Any, bits: int = 8, per_tensor: bool = False, **others: Any) -> None:
        super().__init__(*args, **others)
        if bits not in BITS:
            raise ValueError(f"bits={bits!r} is not allowed; give {BITS[0]} to {BITS[-1]}")
        self.bits, self.per_tensor = int(bits), bool(per_tensor)

    def scale_axes(self) -> tuple[int, ...]:
        """Returns the axes of the kernel that share a scale."""
        rank = len(self.kernel.shape)  # type: ignore[attr-defined]  # of the layer of Keras
        return tuple(range(rank if self.per_tensor else rank - self.output_axes))

    by_operation = False
    """Whether the kernel, which is on the grid already, passes an operation that tells the converter its one scale."""
    output_axes = 1
    """How many of the kernel's last axes make the channels of the output."""

    def grid(self) -> tuple[Any, Any]:
        """Returns the kernel's whole numbers and their scale, see `on_grid`."""
        return on_grid(ops.convert_to_tensor(self.kernel), self.scale_axes(), self.bits)  # type: ignore[attr-defined]

    def quantized_kernel(self) -> Any:
        """Returns the kernel as the file computes with it; its gradient is that of the kernel."""
        kernel = ops.convert_to_tensor(self.kernel)  # type: ignore[attr-defined]
        if self.by_operation:
            largest = ops.max(ops.abs(kernel))
            return tf.quantization.fake_quant_with_min_max_vars(kernel, -largest, largest, narrow_range=True)
        numbers, scale = on_grid(kernel, self.scale_axes(), self.bits)
        return kernel + ops.stop_gradient(numbers * scale - kernel)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, as JSON can hold them."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "bits": self.bits, "per_tensor": self.per_tensor}


@keras.saving.register_keras_serializable(package="edgezoo")
class QuantizedConv2D(_Quantized, layers.Conv2D):
    """A convolution whose kernel is rounded as in an int8 file.

    Args:
        *args: of `keras.layers.Conv2D`.
        bits: the number of bits of a weight, 2 to 8.
        per_tensor: whether all weights have one scale, and not those of each channel of the output.
        **others: of `keras.layers.Conv2D`.

    Raises:
        ValueError: the number of bits is not allowed.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolves with the rounded kernel."""
        return super().convolution_op(inputs, self.quantized_kernel())


@keras.saving.register_keras_serializable(package="edgezoo")
class QuantizedDepthwiseConv2D(_Quantized, layers.DepthwiseConv2D):
    """A depthwise convolution whose kernel is rounded as in an int8 file; arguments as for `QuantizedConv2D`."""

    output_axes = 2

    def call(self, inputs: Any) -> Any:
        """Convolves with the rounded kernel."""
        found = ops.depthwise_conv(
            inputs,
            self.quantized_kernel(),
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self.activation(ops.add(found, self.bias) if self.use_bias else found)


@keras.saving.register_keras_serializable(package="edgezoo")
class QuantizedDense(_Quantized, layers.Dense):
    """A dense layer whose kernel is rounded as in an int8 file; arguments as for `QuantizedConv2D`.

    Its weights have one scale by default, since older runtimes compute dense layers with several scales wrongly.
    """

    def __init__(self, *args: Any, per_tensor: bool = True, **others: Any) -> None:
        super().__init__(*args, per_tensor=per_tensor, **others)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Multiplies with the rounded kernel."""
        found = ops.matmul(inputs, self.quantized_kernel())
        return self.activation(ops.add(found, self.bias) if self.use_bias else found)


@keras.saving.register_keras_serializable(package="edgezoo")
class ActivationRange(layers.Layer):
    """Rounds activations to the 256 values of an int8 tensor, within a range for the whole tensor.

    While the layer is trained, and `trainable`, the range follows the batches by an exponential moving average; it has
    no gradient. The range always holds zero, and its zero point is a whole number.

    Args:
        low: the lowest value to begin with.
        high: the highest value to begin with.
        fixed: whether the range always stays as it is.
        limit: the largest magnitude that the ends may have; None for any.
        momentum: the share of the range that a batch leaves as it is.
        **others: of every Keras layer.
    """

    def __init__(
        self,
        low: float = 0.0,
        high: float = 0.0,
        *,
        fixed: bool = False,
        limit: float | None = None,
        momentum: float = MOMENTUM,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"the range {low} to {high} is not allowed; give the lower end first")
        self.start, self.fixed, self.momentum = (float(low), float(high)), bool(fixed), float(momentum)
        self.limit = None if limit is None else float(limit)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the two ends, scalars in float32."""
        self.low, self.high = (
            self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(end),
                trainable=False,
                name=name,
                dtype="float32",
                autocast=False,
            )
            for name, end in zip(("low", "high"), self.start, strict=True)
        )

    def set_range(self, low: float, high: float) -> None:
        """Sets the ends."""
        self.low.assign(low)
        self.high.assign(high)

    def quantization(self) -> tuple[Any, Any]:
        """Returns scale and zero point, 0 to 255, as scalars in float32."""
        low, high = ops.minimum(self.low, 0.0), ops.maximum(self.high, 0.0)
        if self.limit is not None:
            low, high = ops.maximum(low, -self.limit), ops.minimum(high, self.limit)
        scale = ops.maximum(high - low, LEAST_RANGE) / ACTIVATION_STEPS
        return scale, ops.clip(ops.round(-low / scale), 0, ACTIVATION_STEPS)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Rounds activations of any shape; moves the range in a training."""
        if training and self.trainable and not self.fixed:
            share = 1 - self.momentum
            seen = ops.stop_gradient(ops.cast(inputs, "float32"))
            self.low.assign(self.low + share * (ops.minimum(ops.min(seen), 0.0) - self.low))
            self.high.assign(self.high + share * (ops.maximum(ops.max(seen), 0.0) - self.high))
        scale, zero_point = self.quantization()
        low, high = -zero_point * scale, (ACTIVATION_STEPS - zero_point) * scale
        found = tf.quantization.fake_quant_with_min_max_vars(ops.cast(inputs, "float32"), low, high)
        return ops.cast(found, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, as JSON can hold them."""
        low, high = self.start
        own = {"low": low, "high": high, "fixed": self.fixed, "limit": self.limit, "momentum": self.momentum}
        return {**super().get_config(), **own}


KINDS: dict[type[Any], type[Any]] = {
    layers.Conv2D: QuantizedConv2D,
    layers.DepthwiseConv2D: QuantizedDepthwiseConv2D,
    layers.Dense: QuantizedDense,
}
"""The layers whose kernels are rounded, and what stands for them."""


def is_rounded(layer: Any) -> bool:
    """Whether a layer rounds its kernel as an int8 file does."""
    return isinstance(layer, _Quantized)
