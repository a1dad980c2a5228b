"""Small ONNX files, made as exporters make them: a net for pictures, one with an open batch, one with a branch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13


def weight(name: str, values: Any, dtype: Any = np.float32) -> Any:
    """A constant."""
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def value(name: str, shape: Sequence[Any] | None, kind: int = TensorProto.FLOAT) -> Any:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: Sequence[Any] = (),
    *,
    opsets: dict[str, int] | None = None,
    props: dict[str, str] | None = None,
    values: Sequence[Any] = (),
) -> Any:
    """A model of these nodes."""
    graph = helper.make_graph(list(nodes), "net", list(inputs), list(outputs), list(weights), value_info=list(values))
    imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": OPSET}).items()]
    made = helper.make_model(graph, producer_name="a test", producer_version="1", opset_imports=imports, ir_version=7)
    if props:
        helper.set_model_props(made, props)
    return made


def picture_net(batch: Any = 1, **options: Any) -> Any:
    """A classifier of three classes: a convolution, an activation, a mean, a dense layer."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["pixels", "w", "b"], ["conv"], name="conv1", kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Clip", ["conv", "zero", "six"], ["relu6"], name="relu1"),
        helper.make_node("GlobalAveragePool", ["relu6"], ["mean"], name="pool"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "dense"], ["logits"], name="dense"),
        helper.make_node("Softmax", ["logits"], ["scores"], name="softmax", axis=-1),
    ]
    weights = [
        weight("w", random.normal(size=(4, 3, 3, 3))),
        weight("b", np.zeros(4)),
        weight("zero", 0.0),
        weight("six", 6.0),
        weight("dense", random.normal(size=(4, 3))),
    ]
    return model(nodes, [value("pixels", [batch, 3, 8, 8])], [value("scores", [batch, 3])], weights, **options)


def branch_net() -> Any:
    """A net that takes one of two ways; both take a tensor from outside."""
    ways = [
        helper.make_graph([helper.make_node(op, ["x"], [f"{op}_y"])], op, [], [value(f"{op}_y", [2])])
        for op in ("Relu", "Neg")
    ]
    nodes = [helper.make_node("If", ["which"], ["y"], name="fork", then_branch=ways[0], else_branch=ways[1])]
    return model(nodes, [value("x", [2]), value("which", [], TensorProto.BOOL)], [value("y", [2])])


def one(
    op: str, count: int = 1, *, kind: int = TensorProto.FLOAT, shape: Sequence[Any] = (1, 4), **attributes: Any
) -> Any:
    """A model of one operation between inputs of the same type, and its output."""
    names = [f"x{index}" for index in range(count)]
    node = helper.make_node(op, names, ["y"], name="it", **attributes)
    return model([node], [value(name, shape, kind) for name in names], [value("y", None, kind)])


def save(made: Any, path: Path) -> Path:
    """Writes a model, and returns its path."""
    path.write_bytes(made.SerializeToString())
    return path


__all__ = [
    "OPSET",
    "TensorProto",
    "branch_net",
    "helper",
    "model",
    "one",
    "onnx",
    "picture_net",
    "save",
    "value",
    "weight",
]
