"""Steps of a model that treat each channel of a picture in its own way, in a form that runtimes are fast at.

Turned channels (RGB to BGR), and a scale and an offset for each channel, are a 1x1 convolution with a fixed kernel. For
a picture of 224x224 pixels it takes LiteRT a third to an eighth of the time of the operations that the converter makes
of them otherwise, STRIDED_SLICE, MUL and ADD, in float and in int8, and an Edge TPU has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

MOST_CHANNELS = 4
"""The most channels that a picture has. A kernel between all of them would be large for feature maps."""
_LAST = slice(None, None, -1)
_BACKWARDS = ((Ellipsis, _LAST), (slice(None), slice(None), slice(None), _LAST))
"""How a graph says that the last of four axes is turned."""


def is_step(operation: Any, inputs: tuple[Any, ...]) -> bool:
    """Returns whether an operation turns the channels of a picture, or scales each of them in its own way."""
    shape = tuple(getattr(inputs[0], "shape", ())) if inputs else ()
    if len(shape) != 4 or not 1 < (shape[-1] or 0) <= MOST_CHANNELS:
        return False
    if type(operation).__name__ == "GetItem":
        # A model that was loaded from a file has a list.
        key = inputs[1] if len(inputs) > 1 else ()
        return isinstance(key, list | tuple) and tuple(key) in _BACKWARDS
    # Behind turned channels the converter takes scale and offset into that convolution itself.
    return type(operation).__name__ == "Rescaling" and _is_of_channels(operation) and not _is_turned(inputs[0])


def call(operation: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Calls the 1x1 convolution that does the same as a step of pixels `(batch, height, width, channels)`."""
    import keras

    channels = int(x.shape[-1])
    if type(operation).__name__ == "GetItem":
        kernel, bias = np.eye(channels)[::-1], np.zeros(channels)
    else:
        kernel = np.diag(np.broadcast_to(operation.scale, channels))
        bias = np.broadcast_to(operation.offset, channels)
    twin = keras.layers.Conv2D(channels, 1, name=operation.name)
    twin.build(x.shape)
    twin.set_weights([kernel[np.newaxis, np.newaxis].astype(np.float32), bias.astype(np.float32)])
    return twin(x)


def _is_of_channels(rescaling: Any) -> bool:
    return np.size(rescaling.scale) > 1 or np.size(rescaling.offset) > 1


def _is_turned(x: Any) -> bool:
    """Returns whether the convolution that turns channels made a tensor."""
    made = x._keras_history.operation
    turned = np.eye(int(x.shape[-1]), dtype=np.float32)[np.newaxis, np.newaxis, ::-1]
    return type(made).__name__ == "Conv2D" and np.array_equal(np.asarray(made.kernel), turned)
