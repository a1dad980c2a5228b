"""Converts a model whose weights lie mostly in large dense layers, without handing those weights to the converter.

TensorFlow's converter holds many copies of all weights. Here the kernels of large dense layers are further inputs of
the graph that it converts. Afterwards they become constants of the file. For int8 the calibrator gets the kernels as
inputs, and the quantizer gets ranges of them with which it chooses the scale that it gives to constants.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tflite

from zoo.errors import ExportError
from zoo.export.tflite import quantizer
from zoo.progress import SILENT, Progress
from zoo.system.heap import return_freed
from zoo.tflite import modelfile
from zoo.tflite.writing.constants import with_constants

if TYPE_CHECKING:
    import keras

    from zoo.export.tflite.settings import Settings

Array = npt.NDArray[Any]

LEAST_BYTES = 1_000_000
"""Size in bytes of the kernels that are kept from the converter."""
_ROWS = 256
"""The rows of a kernel that are written at a time."""
_FOLDED = frozenset({"ADD", "DIV", "MUL", "SUB"})
"""Operations that the converter would compute into a constant kernel in front of them."""


def large(model: keras.Model, settings: Settings) -> list[keras.layers.Dense]:
    """Returns the layers whose kernels the converter need not see; none where it has to, as for float16."""
    import keras

    plain = settings.quantize == "none" or (
        settings.quantize == "int8" and not (settings.by_steps or settings.learnt or settings.dense_per_channel)
    )
    layers = [one for one in model._flatten_layers() if type(one) is keras.layers.Dense and _is_large(one)]
    return layers if plain else []


def _is_large(layer: keras.layers.Dense) -> bool:
    return layer.quantization_mode is None and not layer.lora_enabled and bytes_of(layer) >= LEAST_BYTES


def bytes_of(layer: keras.layers.Dense) -> int:
    """Returns the size of a layer's kernel."""
    return int(4 * math.prod(layer.kernel.shape))


def convert(
    model: keras.Model,
    layers: Sequence[keras.layers.Dense],
    settings: Settings,
    samples: Array | None = None,
    progress: Progress = SILENT,
) -> bytes | None:
    """Converts a lowered model whose kernels of some layers do not pass through the converter.

    Args:
        model: static shapes, one input.
        layers: see `large`.
        settings: the quantization.
        samples: `(count, *input_shape)` float32, for int8.
        progress: is told how many samples have been calibrated on.

    Returns:
        The flatbuffer, or None if the kernels are not the weights of FULLY_CONNECTED in it, or if the converter would
        compute something into them.
    """
    flatbuffer = _without_kernels(model, layers)
    return_freed()
    if not _is_meant(flatbuffer, layers):
        return None
    if settings.quantize == "int8" and samples is not None:
        kernels = [np.ascontiguousarray(_transposed(layer)) for layer in layers]
        flatbuffer = quantizer.quantize(
            flatbuffer, settings, samples, model.inputs[0].shape[0], kernels=kernels, progress=progress
        )
        del kernels
    try:
        return with_constants(flatbuffer, [partial(_values, layer) for layer in layers])
    except ExportError:
        return None


def _without_kernels(model: keras.Model, layers: Sequence[keras.layers.Dense]) -> bytes:
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def call(inputs: Any, *kernels: Any) -> Any:
        # The file's operation has its weights the other way round than Keras, and the converter takes both turns out.
        given = [(layer.kernel, tf.transpose(kernel)) for layer, kernel in zip(layers, kernels, strict=True)]
        with keras.StatelessScope(state_mapping=given):
            return model(inputs, training=False)

    signature = [tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, name="input")]
    for i, layer in enumerate(layers):
        signature.append(tf.TensorSpec(tuple(layer.kernel.shape)[::-1], tf.float32, name=f"dense_kernel_{i}"))
    function = tf.function(call).get_concrete_function(*signature)
    frozen = convert_variables_to_constants_v2(function)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def _is_meant(flatbuffer: bytes, layers: Sequence[keras.layers.Dense]) -> bool:
    """Whether each kernel is the weights of FULLY_CONNECTED and nothing else, as it would be as a constant."""
    graph = modelfile.parse(flatbuffer, Path("the file without kernels")).main
    kernels = graph.inputs[1:]
    if [graph.tensors[i].shape for i in kernels] != [tuple(layer.kernel.shape)[::-1] for layer in layers]:
        return False
    made = set()
    for op in graph.ops:
        for place, read in enumerate(op.inputs):
            if read in kernels and (op.name, place) != ("FULLY_CONNECTED", 1):
                return False
        if set(op.inputs) & set(kernels):
            made |= set(op.outputs)
    return not any(op.name in _FOLDED and made & set(op.inputs) for op in graph.ops)


def _transposed(layer: keras.layers.Dense) -> Array:
    transposed: Array = np.asarray(layer.kernel.numpy(), np.float32).T
    return transposed


def _values(layer: keras.layers.Dense, tensor: tflite.Tensor) -> Iterator[Array]:
    """Yields a kernel's rows as a tensor of the file stores them."""
    kernel = _transposed(layer)
    scale = None
    if tensor.Type() == tflite.TensorType.INT8:
        scale = float(tensor.Quantization().Scale(0))
    for start in range(0, len(kernel), _ROWS):
        rows = np.ascontiguousarray(kernel[start : start + _ROWS], "<f4")
        yield rows if scale is None else stored(rows, scale)


def stored(values: Array, scale: float) -> Array:
    """Returns values as int8 weights with a scale, rounded as TensorFlow's quantizer rounds."""
    steps = values.astype(np.float64) / scale
    return np.clip(np.trunc(steps + np.copysign(0.5, steps)), -127, 127).astype(np.int8)
