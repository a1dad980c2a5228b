"""Stores weights and activations of an ONNX graph as float16; input, scaling of pixels and outputs stay float32.

The converter in ONNX Runtime's package rounds the pixels to half floats in front of a scaling that stays float32, and
gives nodes in an order that `onnx.checker` refuses, so this is a pass of our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.errors import ExportError, first_line
from zoo.export.onnx.graph import preparing, with_shapes
from zoo.system.quiet import quiet

_FLOAT_INPUTS = {"Resize": (1, 2), "QuantizeLinear": (1,), "DequantizeLinear": (1,)}
"""Inputs that are float32 in opset 13, whatever the type of the others is."""


def in_float16(proto: Any) -> Any:
    """Returns a model whose weights and activations are float16; input and outputs stay float32.

    Raises:
        ExportError: an operation does not take float16.
    """
    try:
        with quiet():
            return with_shapes(_changed(proto))
    except ExportError:
        raise
    except Exception as error:  # the checker has errors of its own for each rule
        raise ExportError(
            f"{proto.graph.name} cannot be stored in float16: {first_line(error)}; export it without (--quantize none)"
        ) from error


def _changed(proto: Any) -> Any:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph = made.graph
    before = set(preparing(graph))
    floats = {one.name: one for one in graph.initializer if one.data_type == TensorProto.FLOAT}
    whole = [node for node in graph.node if node.name in before]
    half = [node for node in graph.node if node.name not in before]
    wide = {graph.input[0].name} | {tensor for node in whole for tensor in node.output}
    outputs = {one.name: f"{one.name}/half" for one in graph.output}
    nodes, casts, narrow = list(whole), {}, set()
    for node in half:
        for attribute in node.attribute:
            _require_plain(attribute, node)
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(_halved(numpy_helper.to_array(attribute.t))))
        for place, read in enumerate(node.input):
            if read in wide:
                if read not in casts:
                    casts[read] = f"{read}/half"
                    nodes.append(helper.make_node("Cast", [read], [casts[read]], casts[read], to=TensorProto.FLOAT16))
                node.input[place] = casts[read]
            elif read in floats and place not in _FLOAT_INPUTS.get(node.op_type, ()):
                narrow.add(read)
                node.input[place] = f"{read}/half"
            else:
                node.input[place] = outputs.get(read, read)
        node.output[:] = [outputs.get(tensor, tensor) for tensor in node.output]
        nodes.append(node)
    nodes += [
        helper.make_node("Cast", [name], [output], f"{output}/float", to=TensorProto.FLOAT)
        for output, name in outputs.items()
    ]
    used = {read for node in nodes for read in node.input}
    weights = [one for one in graph.initializer if one.name in used]
    weights += [
        numpy_helper.from_array(_halved(numpy_helper.to_array(floats[name])), f"{name}/half") for name in sorted(narrow)
    ]
    nodes, weights = [_copy(node) for node in nodes], [_copy(weight) for weight in weights]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    return made


def _require_plain(attribute: Any, node: Any) -> None:
    if attribute.HasField("g"):
        raise ExportError(
            f"{node.name} ({node.op_type}) has a graph of its own, which is not stored in float16; export it without "
            "(--quantize none)"
        )


def _halved(values: Any) -> Any:
    """Returns float16 values; those that are too large become the largest, and infinities stay."""
    largest = np.finfo(np.float16).max
    return np.where(np.isfinite(values), np.clip(values, -largest, largest), values).astype(np.float16)


def _copy(message: Any) -> Any:
    made = type(message)()
    made.CopyFrom(message)
    return made
