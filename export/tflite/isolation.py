"""Which models are converted in a process of their own, because TensorFlow's converter may end the process on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.compress.graph import is_range, is_rounded
from zoo.export.tflite.naming import operations_of

if TYPE_CHECKING:
    import keras

_TRIED = frozenset({
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "AveragePooling1D",
    "AveragePooling2D", "BatchNormalization", "Cast", "Concatenate", "Conv1D", "Conv2D", "Cropping2D", "Dense",
    "DepthwiseConv1D", "DepthwiseConv2D", "Dropout", "ExpandDims", "Flatten", "GaussianDropout", "GaussianNoise",
    "GetItem", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "Identity", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "Maximum", "Mean", "Minimum", "Multiply",
    "Normalization", "Permute", "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation",
    "RandomTranslation", "RandomZoom", "ReLU", "Relu", "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D",
    "SeparableConv2D", "Sigmoid", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Split", "Squeeze", "Stack",
    "Subtract", "TrueDivide", "UpSampling2D", "ZeroPadding2D",
})  # fmt: skip
"""Keras' own layers and operations that the converter has been tried with, in all modes."""
_ACTIVATIONS = frozenset({
    "linear", "relu", "relu6", "leaky_relu", "sigmoid", "hard_sigmoid", "tanh", "softmax", "silu", "hard_silu", "gelu",
})  # fmt: skip
"""Activations that the converter has been tried with; of others, softplus overflows, and the quantizer with it."""


def unusual(model: keras.Model) -> list[str]:
    """Returns the layers with which the converter is not known to live, each as `'name' (Kind)`; empty if none.

    A layer whose weights are not finite is one, too: no range can be measured behind it.
    """
    return [f"{one.name!r} ({type(one).__name__})" for one in operations_of(model) if not _is_usual(one)]


def _is_usual(operation: Any) -> bool:
    if is_range(operation) or is_rounded(operation):  # it becomes the quantization of a tensor
        return True
    kind = type(operation)
    activation = getattr(getattr(operation, "activation", None), "__name__", "linear")
    return (
        kind.__name__ in _TRIED
        and kind.__module__.startswith("keras.")
        and activation in _ACTIVATIONS
        and all(np.isfinite(np.asarray(weight)).all() for weight in getattr(operation, "weights", ()))
    )
