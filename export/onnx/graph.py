"""Converts a lowered Keras model to an ONNX graph with tf2onnx, of static shapes and with names that stay the same."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zoo import __version__
from zoo.errors import ExportError, MissingDependencyError, ZooError, first_line
from zoo.export.tflite.naming import LayerNames, operations_of
from zoo.system.quiet import quiet
from zoo.text import count_of

if TYPE_CHECKING:
    import keras

OPSET = 13
"""The opset of every file: the newest that TensorRT 8.2 reads, which is the last for a Jetson Nano."""
INPUT = "input"
"""The name of a file's input."""
PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
"""What writes a file, and what it is checked with."""
MOST_BYTES = 2**31 - 1
"""The largest size of a file: a message of protobuf."""

_PREPARING = frozenset({"Add", "Cast", "Div", "Identity", "Mul", "Sub", "Transpose"})
"""Operations that prepare pixels."""
_NUMBER = re.compile(r"(__\d+)+$")
"""Matches what tf2onnx adds to a name; it counts all conversions of the process."""
_COUNTED = re.compile(r"_\d+$")
"""Matches what TensorFlow adds to the name of a layer that is called once more."""


def require_packages() -> None:
    """Finds out whether the packages of the extra are there, without importing them.

    Raises:
        MissingDependencyError: one is not.
    """
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(
                f"writing .onnx files needs {name}, which is not installed: pip install 'edgezoo[onnx]'"
            )


def convert(model: keras.Model, outputs: Sequence[str], *, channels_first: bool) -> Any:
    """Converts a model.

    Args:
        model: lowered, with static shapes and one input.
        outputs: the names of the file's outputs, in the model's order.
        channels_first: whether the input is `(batch, channels, height, width)`, and not `(batch, height, width,
            channels)`.

    Returns:
        The `onnx.ModelProto`, whose tensors all have static shapes.

    Raises:
        ExportError: tf2onnx cannot convert the model, or a tensor has no static shape.
    """
    try:
        with quiet():
            proto = _converted(model, channels_first=channels_first)
            without_erfc(proto.graph)
            rename(proto, outputs, model)
            proto = with_shapes(proto)
    except ZooError:
        raise
    except Exception as error:  # tf2onnx raises whatever its passes raise
        layer = LayerNames(model).of_message(str(error))
        at = f" (at {layer})" if layer else ""
        raise ExportError(
            f"tf2onnx cannot convert {model.name}: {first_line(error)}{at}; leave such layers out, or export a .tflite "
            "file"
        ) from error
    _require_static(proto, model.name)
    proto.producer_name, proto.producer_version = "edgezoo", __version__  # the card names the converter
    return proto


def _converted(model: keras.Model, *, channels_first: bool) -> Any:
    import tensorflow as tf
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, name=INPUT)
    # Frozen here, because tf2onnx takes what is no variable, such as the first state of a cell, for one more input.
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature)
    frozen = convert_variables_to_constants_v2(function)
    (entry,) = [one.name for one in frozen.inputs]
    proto, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        name=model.name,
        input_names=[entry],
        output_names=[one.name for one in frozen.outputs],
        opset=OPSET,
        inputs_as_nchw=[entry] if channels_first else None,
    )
    return proto


def without_erfc(graph: Any) -> None:
    """Replaces `Erfc`, which Keras' GELU has and ONNX has not, by 1 - `Erf`; tf2onnx leaves what it does not know."""
    from onnx import TensorProto, helper

    nodes = []
    for node in graph.node:
        if node.op_type != "Erfc":
            nodes.append(type(node).FromString(node.SerializeToString()))
            continue
        one, erf = f"{node.name}/one", f"{node.name}/erf"
        graph.initializer.append(helper.make_tensor(one, TensorProto.FLOAT, [], [1.0]))
        nodes.append(helper.make_node("Erf", [node.input[0]], [erf], erf))
        nodes.append(helper.make_node("Sub", [one, erf], [node.output[0]], node.name))
    del graph.node[:]
    graph.node.extend(nodes)


def rename(proto: Any, outputs: Sequence[str], model: keras.Model) -> None:
    """Names nodes and tensors by the Keras layers they come from, so that the same model gives the same file.

    Args:
        proto: the `onnx.ModelProto`; it is changed.
        outputs: the names of its outputs.
        model: the model that it was made of.
    """
    graph = proto.graph
    graph.name, graph.doc_string = model.name, ""  # it would number the function
    layers = {one.name for one in operations_of(model)}
    names = {graph.input[0].name: INPUT, "": ""}
    taken = {INPUT, *outputs}
    for output, name in zip(graph.output, outputs, strict=True):
        names[output.name] = name
    for node in graph.node:
        node.name = _free(_plain(node.name or node.op_type, model.name, layers), taken)
        for place, made in enumerate(node.output):
            if made not in names:
                names[made] = node.name if place == 0 else _free(f"{node.name}:{place}", taken)
    for node in graph.node:
        for place, read in enumerate(node.input):
            if read not in names:
                names[read] = _free(f"{node.name}/{place}", taken)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    del graph.value_info[:]  # shapes are inferred anew
    places = {name: place for place, name in enumerate(names.values())}
    weights = sorted(graph.initializer, key=lambda one: places.get(one.name, len(places)))
    weights = [type(one).FromString(one.SerializeToString()) for one in weights]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    for one in _graphs(graph):
        for node in one.node:
            node.input[:] = [names.get(read, read) for read in node.input]
            if one is graph:
                node.output[:] = [names[made] for made in node.output]


def _graphs(graph: Any) -> Iterator[Any]:
    """Yields a graph, and those in the attributes of its nodes, such as the bodies of loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _plain(name: str, model: str, layers: Collection[str]) -> str:
    """Returns a name without the model's, and without the numbers that TensorFlow and tf2onnx add to names."""
    parts = _NUMBER.sub("", name).split("/")
    parts = parts[1:] if len(parts) > 1 and parts[0].startswith(model) else parts
    shorter = [_COUNTED.sub("", part) for part in parts]
    return "/".join(
        short if part not in layers and short in layers else part for part, short in zip(parts, shorter, strict=True)
    )


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def with_shapes(proto: Any) -> Any:
    """Returns a model that is checked, with the shapes of all its tensors and the opsets that it uses."""
    import onnx

    used = {node.domain for graph in _graphs(proto.graph) for node in graph.node} | {""}
    kept = [one for one in proto.opset_import if one.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    if proto.ByteSize() > MOST_BYTES:
        raise ExportError(
            f"the model has {proto.ByteSize() / 1e9:.1f} GB, and an .onnx file holds 2 GB at most; export a .tflite "
            "file, or in float16"
        )
    proto = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def preparing(graph: Any) -> list[str]:
    """Returns the names of the nodes that prepare the pixels: those before the first that computes with weights."""
    made, found = {graph.input[0].name}, []
    constant = {one.name for one in graph.initializer}
    for node in graph.node:
        read = set(node.input) - constant
        if node.op_type in _PREPARING and read and read <= made:
            found.append(node.name)
            made |= set(node.output)
    outputs = {one.name for one in graph.output}
    return [] if made & outputs else found


def _require_static(proto: Any, name: str) -> None:
    graph = proto.graph
    shapes = {
        one.name: [size.dim_value if size.HasField("dim_value") else 0 for size in one.type.tensor_type.shape.dim]
        for one in (*graph.input, *graph.output, *graph.value_info)
    }
    made = [tensor for node in graph.node for tensor in node.output if tensor]
    dynamic = [tensor for tensor in made if tensor not in shapes or not all(size > 0 for size in shapes[tensor])]
    if dynamic:
        raise ExportError(
            f"{name} gives {count_of(len(dynamic), 'tensor')} of no fixed size, the first is {dynamic[0]!r}: runtimes "
            "are slow on it, and TensorRT asks for its size; leave such layers out"
        )
