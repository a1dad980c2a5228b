"""Tells the types of the tensors of an ONNX graph, from those of its inputs and constants, by its operations' rules.

Only the types are followed, not the shapes: their rules are data in the package `onnx`, and nothing of the file is run.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.onnx.extra import module
from zoo.onnx.reading.model import Constant, Graph, Node, OnnxFile

Types = ChainMap[str, str]

_PLAIN = {"float": "float32", "double": "float64"}
_BY_ATTRIBUTE = {
    "Bernoulli": "dtype",
    "Cast": "to",
    "EyeLike": "dtype",
    "Multinomial": "dtype",
    "QuantizeLinear": "output_dtype",
    "RandomNormal": "dtype",
    "RandomNormalLike": "dtype",
    "RandomUniform": "dtype",
    "RandomUniformLike": "dtype",
}
"""Operations whose result has the type that an attribute names by its number, if it is there."""
_OTHERWISE = {
    "ConstantOfShape": "float32",
    "Multinomial": "int32",
    "QuantizeLinear": "uint8",
    "RandomNormal": "float32",
    "RandomUniform": "float32",
}
"""The types of results that nothing else tells."""


@dataclass(frozen=True)
class Typed:
    """An operation with the types of its tensors."""

    node: Node
    graph: Graph
    types: Types
    """The types of all tensors of the graph and of those around it, by name; empty where it is not known."""
    schema: Any
    """The operation's definition in the package `onnx`; None if it has none."""

    def input_type(self, place: int) -> str:
        """Returns the type of an input; empty if it is left out or not known."""
        return self.types.get(self.node.inputs[place], "") if place < len(self.node.inputs) else ""

    def output_type(self, place: int) -> str:
        """Returns the type of an output; empty if it is left out or not known."""
        return self.types.get(self.node.outputs[place], "") if place < len(self.node.outputs) else ""

    def named_types(self) -> dict[str, str]:
        """Returns the known types by the names that the definition has for them, and for inputs and outputs."""
        if self.schema is None:
            return {}
        found: dict[str, str] = {}
        node, schema = self.node, self.schema
        for names, formals in ((node.inputs, schema.inputs), (node.outputs, schema.outputs)):
            for name, formal in _paired(names, formals):
                if dtype := self.types.get(name, ""):
                    found.setdefault(formal.type_str, dtype)
                    found.setdefault(formal.name, dtype)
        return found


def typed(file: OnnxFile) -> Iterator[Typed]:
    """Yields all operations of a file, also those of branches and loops, each with the types of its tensors."""
    yield from _walk(file.graph, ChainMap(), file.opsets)


def _walk(graph: Graph, around: Types, opsets: Mapping[str, int]) -> Iterator[Typed]:
    types = around.new_child()
    types.update({name: value.dtype for name, value in graph.values.items()})
    types.update({value.name: value.dtype for value in (*graph.outputs, *graph.inputs)})
    types.update({name: constant.dtype for name, constant in graph.constants.items()})
    for node in graph.nodes:
        schema = _schema(node, opsets)
        for inner in node.graphs:
            yield from _walk(inner, types, opsets)
        for name, dtype in zip(node.outputs, _results(node, schema, types), strict=False):
            if name and dtype:
                types[name] = dtype
        yield Typed(node, graph, types, schema)


def _schema(node: Node, opsets: Mapping[str, int]) -> Any:
    defs = module("onnx.defs", "judging an .onnx file")
    try:
        return defs.get_schema(node.op, opsets[node.domain], node.domain)
    except defs.SchemaError:
        return None


def _paired(names: tuple[str, ...], formals: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names of tensors, each with the definition's input or output; its last one may stand for several."""
    for place, name in enumerate(names):
        if name and formals:
            yield name, formals[min(place, len(formals) - 1)]


def _results(node: Node, schema: Any, types: Types) -> list[str]:
    """Returns the types of what an operation computes, as far as its inputs and attributes tell them."""
    if node.graphs:
        inner = node.graphs[0].outputs
        # A loop's body says first whether it goes on.
        return [value.dtype for value in (inner[1:] if node.op == "Loop" else inner)]
    if node.op == "Constant":
        return [_constant_type(node)]
    if node.op == "CastLike":
        return [types.get(node.inputs[1], "") if len(node.inputs) > 1 else ""]
    told = _type_in(node)
    if told or schema is None:
        return [told] * len(node.outputs)
    bound = {formal.type_str: types.get(name, "") for name, formal in _paired(node.inputs, schema.inputs)}
    if node.op == "QuantizeLinear" and len(node.inputs) > 2:
        return [types.get(node.inputs[2], "")]
    # A variable that has one type alone, as that of what `Shape` gives.
    single = {one.type_param_str: _fixed(*one.allowed_type_strs) for one in schema.type_constraints if _is_single(one)}
    known = {name: dtype for name, dtype in bound.items() if dtype}
    tables = (single, known)
    return [
        _fixed(formal.type_str)
        or next((table[formal.type_str] for table in tables if formal.type_str in table), "")
        or _OTHERWISE.get(node.op, "")
        or _like(node, types)
        for _, formal in _paired(node.outputs, schema.outputs)
    ]


def _is_single(constraint: Any) -> bool:
    return len(constraint.allowed_type_strs) == 1


def _like(node: Node, types: Types) -> str:
    """Returns the type of the first input, which operations such as `RandomNormalLike` take over."""
    return types.get(node.inputs[0], "") if node.op.endswith("Like") and node.inputs else ""


def _type_in(node: Node) -> str:
    """Returns the type that an attribute of an operation names."""
    if node.op == "ConstantOfShape":
        value = node.attributes.get("value")
        return value.dtype if isinstance(value, Constant) else ""
    code = node.attributes.get(_BY_ATTRIBUTE.get(node.op, ""))
    if not isinstance(code, int) or not code:
        return ""
    kinds = module("onnx", "judging an .onnx file").TensorProto.DataType
    return _plain(str(kinds.Name(code)).lower()) if code in kinds.values() else ""


def _constant_type(node: Node) -> str:
    for name, value in node.attributes.items():
        if isinstance(value, Constant):
            return value.dtype
        if name.startswith("value_"):
            return {"float": "float32", "int": "int64", "string": "string"}.get(name.split("_")[1].rstrip("s"), "")
    return ""


def _fixed(type_str: str) -> str:
    """Returns the type that a definition fixes, `int64` of `tensor(int64)`; empty for a variable."""
    return _plain(type_str[len("tensor(") : -1]) if type_str.startswith("tensor(") else ""


def _plain(name: str) -> str:
    return _PLAIN.get(name, name)
