"""Rebuilds a model of any dtype policy in float32, the type of a `.tflite` file before it is quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ExportError
from zoo.graph import graph_of, has_graph

if TYPE_CHECKING:
    import keras

_FLOATS = frozenset({"float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"})


def as_float32(model: keras.Model, notes: list[str]) -> keras.Model:
    """The same model with every layer in float32; itself where it is so already.

    Args:
        model: functional.
        notes: gets a line that names what was changed.

    Raises:
        ExportError: the model is quantized in another way than Keras' int8.
    """
    policies = sorted(_policies(model))
    if not policies:
        return model
    for layer in model._flatten_layers():
        mode = getattr(layer, "quantization_mode", None)
        if mode and (mode != "int8" or type(layer).__name__ != "Dense"):
            raise ExportError(
                f"Keras quantized the layer {layer.name!r} of {model.name} ({mode}): export the model as it was before "
                "model.quantize(), and quantize the file (--quantize int8, quantize='int8')"
            )
    twin = _clone(model)
    _copy_weights(model, twin)
    notes.append(f"the model has the dtype policy {', '.join(policies)}; the file is made from its weights as float32")
    return twin


def _policies(model: keras.Model) -> set[str]:
    """The dtype policies of a model's layers that are not plain float32; where there are none, types of its tensors."""
    layers = model._flatten_layers()
    named = {layer.dtype_policy.name for layer in layers if type(layer).__name__ != "InputLayer"}
    found = {name for name in named if name in _FLOATS or "_from_" in name}
    # An operation may make float16 without a policy: `keras.ops.cast`.
    graphs = [layer for layer in model._flatten_layers() if has_graph(layer)]
    return found or {kind for graph in graphs for operation in graph_of(graph).operations for kind in _types(operation)}


def _types(operation: Any) -> set[str]:
    """The types of real numbers other than float32 that an operation makes."""
    import keras

    tensors = [tensor for node in operation._inbound_nodes for tensor in keras.tree.flatten(node.output_tensors)]
    return {str(tensor.dtype) for tensor in tensors} & _FLOATS


def _clone(model: Any) -> Any:
    """A new functional model with new layers: Keras' own clones keep the types of their inputs."""
    import keras

    def entry(tensor: Any) -> Any:
        kind = "float32" if tensor.dtype in _FLOATS else tensor.dtype
        return keras.Input(batch_shape=tensor.shape, dtype=kind, name=tensor.name)

    graph = graph_of(model)
    inputs = keras.tree.map_structure(entry, graph.input)
    return keras.models.clone_model(graph, input_tensors=inputs, clone_function=_in_float32)


def _in_float32(layer: Any) -> Any:
    """A new layer, or operation of the graph, of the same configuration in float32."""
    import keras

    if has_graph(layer):
        return _clone(layer)
    if not isinstance(layer, keras.Layer) and "dtype" not in layer.get_config():
        return layer  # an operation without a type of its own
    return type(layer).from_config(_float32(layer.get_config()))


def _float32(config: Any) -> Any:
    """A configuration with every type of real numbers made float32."""
    if isinstance(config, dict):
        if str(config.get("class_name", "")).endswith(("DTypePolicy", "DTypePolicyMap")):
            return "float32"
        return {
            key: "float32" if key.endswith("dtype") and str(value) in _FLOATS else _float32(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_float32(value) for value in config)
    return config


def _copy_weights(model: keras.Model, twin: keras.Model) -> None:
    """Copies the weights, quantized ones as the real numbers that they stand for."""
    values = [np.asarray(weight) for weight in model.weights]
    if any(value.dtype == np.int8 for value in values):
        named = {weight.path: value for weight, value in zip(model.weights, values, strict=True)}
        values = [named[weight.path] / named.get(f"{weight.path}_scale", np.float32(1)) for weight in twin.weights]
    for weight, value in zip(twin.weights, values, strict=True):
        weight.assign(value.astype(weight.dtype))
