"""Reads the numbers that a `.tflite` file holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ModelFileError
from zoo.tflite.flatbuffer import Data, shortened
from zoo.tflite.modelfile import Graph, Tensor

_TYPES = {"FLOAT32": "<f4", "FLOAT16": "<f2"}


def floats(data: Data, graph: Graph, index: int) -> npt.NDArray[np.float32]:
    """Returns a constant of real numbers, of 16 or 32 bits in the file, as float32 in the tensor's shape.

    Args:
        data: the bytes that `graph` was parsed from.
        graph: a graph of the file.
        index: the index of the tensor: a constant, or what a `DEQUANTIZE` makes of one.

    Raises:
        ModelFileError: the tensor is computed, or its constant data are no real numbers.
    """
    if not 0 <= index < len(graph.tensors):
        raise ModelFileError(f"tensor {index} is asked for, there are {len(graph.tensors)}")
    tensor = graph.tensors[index]
    if not tensor.is_constant:
        makers = (op for op in graph.ops if op.name == "DEQUANTIZE" and op.inputs and index in op.outputs)
        source = next(makers, None)
        if source is not None and source.inputs[0] >= 0:
            tensor = graph.tensors[source.inputs[0]]
    dtype = _TYPES.get(tensor.dtype)
    if dtype is None or not tensor.is_constant or tensor.sparse or tensor.bytes != _size(tensor, dtype):
        raise ModelFileError(f"tensor {index} {shortened(tensor.name)} is no constant of real numbers")
    found: npt.NDArray[Any] = np.frombuffer(data, dtype, math.prod(tensor.shape), tensor.start)
    return found.reshape(tensor.shape).astype(np.float32)


def _size(tensor: Tensor, dtype: str) -> int:
    return math.prod(tensor.shape) * np.dtype(dtype).itemsize
