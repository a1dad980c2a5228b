"""Reads the weights of a TensorFlow Lite model that stands in a published file, without an interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.errors import ModelFileError, WeightsError
from zoo.published import Inside
from zoo.tflite.constants import floats
from zoo.tflite.modelfile import Op, parse
from zoo.weights.formats.files import Contents, Layer
from zoo.weights.preprocessing import Array

MOST = 256 << 20
"""Most bytes of a file that is read."""
_KINDS = {"CONV_2D": "conv2d", "DEPTHWISE_CONV_2D": "depthwise_conv2d"}


def read(path: Path, inside: Inside) -> Contents:
    """Reads the convolutions of a file, as the layers of Keras that they stand for.

    A layer that batch normalization follows gets the kernel; the normalization gets the bias as `beta`, and the values
    with which it does nothing else. It must stay frozen in a training: statistics of real pictures would undo it.

    Args:
        path: the file.
        inside: where the model is in it, and what its convolutions stand for.

    Raises:
        WeightsError: the file is missing or damaged, or has other convolutions.
    """
    try:
        if path.stat().st_size > MOST:
            raise WeightsError(f"{path} has {path.stat().st_size} bytes; at most {MOST} are read")
        data = path.read_bytes()[inside.begin :]
    except OSError as error:
        raise WeightsError(f"cannot read weights from {path}: {error.strerror or error}") from error
    try:
        graph = parse(data, path).main
        convolutions = [op for op in graph.ops if op.name in _KINDS]
        if len(convolutions) != len(inside.layers):
            raise ModelFileError(f"it has {len(convolutions)} convolutions, and not {len(inside.layers)}")
        layers: list[Layer] = []
        for op, name in zip(convolutions, inside.layers, strict=True):
            if name:
                kernel, bias = (floats(data, graph, index) for index in _weights(op))
                layers += _layers(name, _KINDS[op.name], kernel, bias, inside)
    except ModelFileError as error:
        raise WeightsError(f"cannot read weights from {path}: {error}") from error
    return Contents(path, layers=tuple(layers))


def _weights(op: Op) -> tuple[int, int]:
    """Returns the indexes of a convolution's kernel and bias."""
    if len(op.inputs) != 3:
        raise ModelFileError(f"a {op.name} has {len(op.inputs)} inputs, and not 3")
    return op.inputs[1], op.inputs[2]


def _layers(name: str, kind: str, kernel: Array, bias: Array, inside: Inside) -> Iterator[Layer]:
    """Yields a convolution and the normalization behind it."""
    channels = kernel.shape[-1 if kind == "depthwise_conv2d" else 0] if kernel.ndim == 4 else 0
    if not channels or bias.shape != (channels,):
        raise ModelFileError(f"the convolution for {name!r} has shapes {kernel.shape} and {bias.shape}")
    # TensorFlow Lite has the outputs first, Keras last; a depthwise kernel has a first axis of 1 in the one, a last one
    # in the other.
    kernel = np.ascontiguousarray(kernel.transpose(1, 2, 3, 0))
    if name in inside.background:
        kernel, bias = (_without_background(values, inside.classes, name) for values in (kernel, bias))
    norm = inside.norms.get(name)
    if norm is None:
        yield Layer(name, kind, (kernel, bias), ("kernel", "bias"))
        return
    yield Layer(name, kind, (kernel,), ("kernel",))
    still = np.zeros_like(bias)
    scale = np.full_like(bias, np.sqrt(1 + inside.epsilon))
    yield Layer(norm, "batch_normalization", (scale, bias, still, np.ones_like(bias)), _NORM)


_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def _without_background(values: Array, classes: int, name: str) -> Array:
    """Leaves out the first of every `classes` outputs, the last axis."""
    if not classes or values.shape[-1] % classes:
        raise ModelFileError(f"the convolution for {name!r} has {values.shape[-1]} outputs for {classes} classes")
    rows = values.reshape(*values.shape[:-1], -1, classes)
    return np.ascontiguousarray(rows[..., 1:].reshape(*values.shape[:-1], -1))
