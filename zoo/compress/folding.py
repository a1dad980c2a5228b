"""Folds batch normalization into the layer before it, as TensorFlow's converter does it, with the same answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.compress.copying import copy, require_graph
from zoo.graph import calls_of, graph_of, has_graph

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

_LINEAR = frozenset({"Conv1D", "Conv2D", "Conv3D", "Dense", "DepthwiseConv1D", "DepthwiseConv2D"})
"""Layers whose kernel can hold the scales of the batch normalization behind them."""


def fold_batch_norms(model: keras.Model) -> keras.Model:
    """Returns a model with new layers that answers as `model` does when it is used, but for rounding.

    Every batch normalization that is alone behind a convolution or a dense layer without an activation is folded into
    that layer, which has a bias then. All other layers are copied with their weights. Layers keep their names, and the
    layers of nested models stand in the place of the nested model.

    Args:
        model: a functional or Sequential model; it is left as it is.

    Raises:
        CompressionError: the model has no graph, or Keras cannot copy one of its layers.
    """
    require_graph(model)
    norms = _absorbed(model)
    return copy(
        model,
        lambda layer: {"use_bias": True} if id(layer) in norms else {},
        lambda layer: _folded(layer, norms[id(layer)]) if id(layer) in norms else None,
        without={id(norm) for norm in norms.values()},
    )


def _absorbed(model: keras.Model) -> dict[int, Any]:
    """Returns the batch normalization that each layer can absorb, by the layer's identity."""
    calls = list(_calls(model))
    counts = Counter(id(call.operation) for call in calls)
    readers: dict[int, list[Any]] = {}
    for call in calls:
        for tensor in call.input_tensors:
            readers.setdefault(id(tensor), []).append(call.operation)
    for output in _outputs(model):
        readers.setdefault(id(output), []).append(None)
    found = {}
    for call in calls:
        layer, behind = call.operation, readers.get(id(call.outputs[0]), [])
        if len(behind) == 1 and counts[id(layer)] == counts[id(behind[0])] == 1 and _folds(layer, behind[0]):
            found[id(layer)] = behind[0]
    return found


def _calls(model: keras.Model) -> Iterator[Any]:
    """Yields the calls in a model, and those in nested models before that of the nested model."""
    for call in calls_of(graph_of(model)):
        if has_graph(call.operation):
            yield from _calls(call.operation)
        yield call


def _outputs(model: keras.Model) -> Iterator[Any]:
    """Yields the outputs of a model and of all that are nested in it: something behind the model reads them."""
    yield from graph_of(model).outputs
    for call in calls_of(graph_of(model)):
        if has_graph(call.operation):
            yield from _outputs(call.operation)


def _folds(layer: Any, norm: Any) -> bool:
    """Returns whether a layer can absorb the one that alone reads it."""
    if type(layer).__name__ not in _LINEAR or type(norm).__name__ != "BatchNormalization":
        return False
    axis, rank = norm.axis if isinstance(norm.axis, int) else norm.axis[0], len(layer.output.shape)
    channels_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    linear = getattr(layer.activation, "__name__", "linear") == "linear"
    return channels_last and linear and axis % rank == rank - 1


def _folded(layer: Any, norm: Any) -> list[Array]:
    """Returns kernel and bias of a layer with the batch normalization behind it, computed in float64."""
    kernel = np.asarray(layer.kernel, np.float64)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    scale = 1 / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    scale = scale * (np.asarray(norm.gamma, np.float64) if norm.scale else 1.0)
    offset = np.asarray(norm.beta, np.float64) if norm.center else 0.0
    # A depthwise kernel ends in channels and their multiplier, which together are the channels of the output.
    shape = kernel.shape[-2:] if type(layer).__name__.startswith("Depthwise") else kernel.shape[-1:]
    bias = (bias - np.asarray(norm.moving_mean, np.float64)) * scale + offset
    return [(kernel * scale.reshape(shape)).astype(np.float32), bias.astype(np.float32)]
