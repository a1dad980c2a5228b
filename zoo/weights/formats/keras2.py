"""Translates what Keras 2 wrote of a model into what Keras 3 reads: a table of what has changed between them.

The layers compute the same in both. What differs are the names of their modules, arguments that were dropped or
renamed, and functions of TensorFlow in a graph, for which `functions` has a layer. What the table does not have is
refused when Keras 3 builds the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from zoo.weights.formats import functions, known

_RECURRENT = ("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_TRANSPOSED = ("DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")

_ANY = object()
_OF_KERNELS = tuple((f"kernel_{kind}", _ANY) for kind in ("initializer", "regularizer", "constraint"))
DROPPED: dict[str, tuple[tuple[str, Any], ...]] = {
    # layer: (argument that Keras 3 does not take, the value that means what Keras 3 does)
    **dict.fromkeys(_TRANSPOSED, (("groups", 1),)),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), (("groups", 1), *_OF_KERNELS)),
    **dict.fromkeys(_RECURRENT, (("time_major", False),)),
    **{name: (("rng_type", _ANY),) for name in known.LAYERS if name.startswith("Random")},
    "BatchNormalization": (
        *(("renorm", False), ("renorm_clipping", _ANY), ("renorm_momentum", _ANY)),
        *(("virtual_batch_size", None), ("fused", _ANY), ("adjustment", None)),
    ),
    "Embedding": (("input_length", _ANY),),
    "Attention": (("causal", False),),
    "AdditiveAttention": (("causal", False),),
    "MultiHeadAttention": (
        ("query_shape", _ANY),
        ("key_shape", _ANY),
        ("value_shape", _ANY),
        ("softmax_robust_masking", False),
    ),
}
RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
"""Arguments that have another name in Keras 3, by layer."""
_FUNCTIONS = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Layers that call a function of TensorFlow."""

_VERSION_1_OR_2 = re.compile(r"[12]\..*")
_OLD_MODULE = re.compile(
    r"tf_keras\..*|keras\.(src\.)?engine\..*|keras\.mixed_precision.*|keras\.layers\.experimental.*"
)


def is_old(version: str, config: dict[str, Any]) -> bool:
    """Whether Keras 2, or the package `tf_keras`, wrote a configuration.

    Args:
        version: the version of Keras that the file states; empty if it states none.
        config: the configuration.
    """
    if version:
        return _VERSION_1_OR_2.fullmatch(version) is not None
    return any(_OLD_MODULE.fullmatch(str(named.get("module"))) for named in _named(config))


def translate(config: Any) -> Any:
    """A configuration of Keras 2 as Keras 3 reads it; the given one is left as it is.

    Raises:
        ValueError: it has a value that Keras 3 has no place for; the message names the layer and the value.
    """
    if isinstance(config, list):
        return [translate(value) for value in config]
    if not isinstance(config, dict):
        return config
    if not isinstance(config.get("class_name"), str):
        return {key: translate(value) for key, value in config.items()}
    name, inner = config["class_name"], config.get("config")
    if name in known.POLICIES or name == "PolicyV1":
        return str(inner.get("name")) if isinstance(inner, dict) else config
    config = dict(config)
    if isinstance(inner, dict):
        if isinstance(inner.get("layers"), list):
            inner = _with_nodes(inner)
        config["config"] = _arguments(name, {key: translate(value) for key, value in inner.items()})
    if _is_of_keras(config):
        config.pop("build_config", None)
        config.pop("compile_config", None)
        _place(config)
    return config


def _place(config: dict[str, Any]) -> None:
    """Says where Keras 3 has a model or layer."""
    if config["class_name"] in known.OLD:
        if config["class_name"] in _FUNCTIONS and functions.is_known(config["config"].get("function")):
            config.update(
                class_name="TensorFlowFunction", module="edgezoo", registered_name=functions.registered_name()
            )
    elif config["class_name"] in {"Functional", "Model"}:
        config.update(class_name="Functional", module="keras.src.models.functional", registered_name="Functional")
    else:
        module = "keras" if config["class_name"] in known.MODELS else "keras.layers"
        config.update(module=module, registered_name=None)


def _named(config: Any) -> Iterator[dict[str, Any]]:
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _is_of_keras(named: dict[str, Any]) -> bool:
    """Whether a class is one of Keras' own models and layers, under whichever module Keras 2 knew it."""
    name, module, registered = named["class_name"], named.get("module"), named.get("registered_name")
    ours = name in known.MODELS or name in known.LAYERS or name in known.OLD
    of_keras = module is None or str(module).partition(".")[0] in {"keras", "tf_keras"}
    return ours and of_keras and registered in {None, name}


def _arguments(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer as Keras 3 takes them."""
    for key, neutral in DROPPED.get(name, ()):
        value = config.pop(key, neutral)
        if neutral is not _ANY and value not in (neutral, None):
            raise ValueError(
                f"its layer {config.get('name')!r} ({name}) has {key}={value!r}, which Keras 3 does not have"
            )
    shape = config.pop("batch_input_shape", None) if name in known.LAYERS else None
    if name == "InputLayer" and shape is not None:
        config["batch_shape"] = shape
    if name in known.LAYERS | known.MODELS and isinstance(config.get("name"), str):
        config["name"] = plain_name(config["name"])
    if isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]
    if name in known.INITIALIZERS:
        config.pop("dtype", None)
    for old, new in RENAMED.get(name, {}).items():
        if old in config:
            config[new] = config.pop(old)
    return config


def plain_name(name: str) -> str:
    """The name of a layer as Keras 3 allows it: without slashes."""
    return name.replace("/", "_")


def _with_nodes(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a functional model, with the calls of its layers as Keras 3 writes them."""
    layers = config["layers"]
    if not all(isinstance(layer, dict) and isinstance(layer.get("inbound_nodes"), list) for layer in layers):
        return _with_input(config)
    graph = _Graph(layers)
    config = dict(config, layers=[graph.translate(layer) for layer in layers])
    for key in ("input_layers", "output_layers"):
        config[key] = graph.ends(config.get(key))
    return config


def _with_input(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a Sequential model with a layer for its input, which the first versions did not write."""
    layers = config["layers"]
    first = layers[0] if layers and isinstance(layers[0], dict) else {}
    shape = first["config"].get("batch_input_shape") if isinstance(first.get("config"), dict) else None
    if shape is None or first.get("class_name") == "InputLayer":
        return config
    entry = {"batch_shape": shape, "name": f"{first['config'].get('name', 'first')}_input"}
    return dict(config, layers=[{"class_name": "InputLayer", "config": entry}, *layers])


class _Graph:
    """The calls of the layers of one functional model."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        self._kinds = {str(layer.get("name")): str(layer.get("class_name")) for layer in layers}
        calls = {str(layer.get("name")): len(layer["inbound_nodes"]) for layer in layers}
        # A nested model of Keras 2 was called once before, when it was made; of Keras 3 it was not.
        highest: dict[str, int] = {}
        for value in self._references([layer["inbound_nodes"] for layer in layers]):
            highest[value[0]] = max(highest.get(value[0], 0), value[1])
        self._shift = {
            name for name, index in highest.items() if self._kinds[name] in known.MODELS and index >= calls[name]
        }

    def translate(self, layer: dict[str, Any]) -> dict[str, Any]:
        """One layer with its calls, which of a function of TensorFlow become part of the layer."""
        nodes = layer["inbound_nodes"]
        layer = dict(layer, name=plain_name(str(layer.get("name"))))
        inner = layer.get("config") or {}
        if layer.get("class_name") not in _FUNCTIONS or not functions.is_known(inner.get("function")):
            return dict(layer, inbound_nodes=[self._node(node) for node in nodes])
        templates, made = [], []
        for node in nodes:
            tensors: list[Any] = []
            templates.append(self._template(node, tensors))
            made.append({"args": [tensors], "kwargs": {}})
        if any(template != templates[0] for template in templates):
            raise ValueError(f"its function {layer.get('name')!r} is called in several ways")
        template = templates[0] if templates else None
        return dict(layer, config=dict(inner, template=template), inbound_nodes=made)

    def ends(self, value: Any) -> Any:
        """The inputs or outputs of the model."""
        if self._is_reference(value):
            # Keras 3 counts the calls of a nested functional model from 1 here, and only here.
            name, index, tensor = value
            if name not in self._shift and self._kinds[name] in {"Functional", "Model"}:
                index += 1
            elif name in self._shift and self._kinds[name] == "Sequential":
                index -= 1
            return [plain_name(name), index, tensor]
        if isinstance(value, list) and len(value) == 1 and self._is_reference(value[0]):
            return self.ends(value[0])
        if isinstance(value, dict):
            return {key: self.ends(one) for key, one in value.items()}
        return [self.ends(one) for one in value] if isinstance(value, list) else value

    def _is_reference(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) in {3, 4}
            and isinstance(value[0], str)
            and value[0] in self._kinds
            and all(type(one) is int for one in value[1:3])
        )

    def _references(self, value: Any) -> Iterator[list[Any]]:
        if self._is_reference(value):
            yield value
            value = value[3:]
        if isinstance(value, dict | list):
            for one in value.values() if isinstance(value, dict) else value:
                yield from self._references(one)

    def _tensor(self, reference: list[Any]) -> dict[str, Any]:
        name, index, tensor = reference[:3]
        history = [plain_name(name), index - (name in self._shift), tensor]
        return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": history}}

    def _node(self, node: Any) -> Any:
        """One call of a layer of Keras."""
        if isinstance(node, dict) or not node:
            return node  # as Keras 3 writes it
        calls = [node] if isinstance(node[0], str) else node
        tensors = [self._tensor(one) for one in calls]
        keywords: dict[str, Any] = {}
        for one in calls:
            keywords.update(one[3] if len(one) > 3 else {})
        return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": self._filled(keywords)}

    def _filled(self, value: Any) -> Any:
        if self._is_reference(value):
            return self._tensor(value)
        if isinstance(value, dict):
            return {key: self._filled(one) for key, one in value.items()}
        return [self._filled(one) for one in value] if isinstance(value, list) else value

    def _template(self, node: list[Any], tensors: list[Any]) -> dict[str, Any]:
        """A call of a function of TensorFlow, with numbers in the place of tensors, which are collected."""
        keywords: dict[str, Any] = {}
        if node and isinstance(node[0], str):
            first = self._numbered(node[:3], tensors) if self._is_reference(node) else node[2]
            keywords = node[3] if len(node) > 3 else {}
        else:
            first = [self._numbered(one[:3], tensors) for one in node]
            for one in node:
                keywords.update(one[3] if len(one) > 3 else {})
        return {"first": first, "keywords": self._numbered(keywords, tensors)}

    def _numbered(self, value: Any, tensors: list[Any]) -> Any:
        if self._is_reference(value):
            tensors.append(self._tensor(value))
            return {"tensor": len(tensors) - 1}
        if isinstance(value, dict):
            return {key: self._numbered(one, tensors) for key, one in value.items()}
        return [self._numbered(one, tensors) for one in value] if isinstance(value, list) else value
