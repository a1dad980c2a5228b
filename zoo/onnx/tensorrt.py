"""Checks an `.onnx` file against the published lists of what TensorRT's parser takes.

`zoo/assets/tensorrt_ops.json` has the lists, with their sources. No engine is built: what only the builder finds out,
such as a lack of memory, is not known here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.assets import read_json
from zoo.errors import listed
from zoo.onnx.problem import Problem
from zoo.onnx.reading.constants import Constants
from zoo.onnx.reading.model import Graph, OnnxFile, Value
from zoo.onnx.reading.types import Typed, typed
from zoo.onnx.targets import TITLES, OnnxTarget

FOLD = "compute it beforehand and store it in the file (export with constant folding)"
ANOTHER = "export the model without it, or choose another target"
_CHANGED_OPS = {"Cast": ("input", "output"), "ConstantOfShape": ("output",), "Where": ("second",)}
"""Operations that compute with the type of something else than their first input."""


@dataclass(frozen=True)
class Lists:
    """What the parser of one version takes."""

    title: str
    opsets: tuple[int, int]
    """The oldest and the newest version of ONNX' operations."""
    types: dict[str, frozenset[str]]
    """The types that each operation takes."""
    refused: frozenset[str]
    rules: dict[str, dict[str, Any]]
    casts: dict[str, str]
    ends: frozenset[str]
    plugins: frozenset[str]
    max_rank: int


@functools.cache
def lists(target: OnnxTarget) -> Lists:
    """Returns the lists of a target."""
    table = read_json("tensorrt_ops.json")
    own = table[target]
    return Lists(
        TITLES[target],
        tuple(own["opsets"]),
        {op: frozenset(types.split()) for types, ops in own["takes"].items() for op in ops},
        frozenset(own["refuses"]),
        own["rules"],
        own["casts"],
        frozenset(own["ends"].split()),
        frozenset(own["plugins"]["names"]),
        table["max_rank"]["value"],
    )


def problems(file: OnnxFile, target: OnnxTarget) -> Iterator[Problem]:
    """Yields what keeps a version of TensorRT from taking a file."""
    known = lists(target)
    oldest, newest = known.opsets
    if file.opset and not oldest <= file.opset <= newest:
        remedy = f"export it with opset {newest}" if file.opset > newest else "export it anew, with a newer opset"
        yield Problem("the file", f"it is of opset {file.opset}, the list has {oldest} to {newest}", remedy)
    for what, ends in (("input", file.graph.inputs), ("output", file.graph.outputs)):
        for end in ends:
            yield from _end(what, end, known)
    constants: dict[int, Constants] = {}
    _gather(file.graph, None, constants)
    for one in typed(file):
        yield from _operation(one, constants[id(one.graph)], known)


def _gather(graph: Graph, around: Constants | None, found: dict[int, Constants]) -> None:
    found[id(graph)] = own = Constants(graph, around)
    for node in graph.nodes:
        for inner in node.graphs:
            _gather(inner, own, found)


def _end(what: str, end: Value, known: Lists) -> Iterator[Problem]:
    where = f"{what} {end.name[:80]!r}"
    if end.dtype and known.casts.get(end.dtype, end.dtype) not in known.ends:
        yield Problem(where, f"it is {end.dtype}", "give the model float32 values")
    if what == "input" and not end.is_fixed:
        opened = "unknown" if end.shape is None else str(tuple("?" if size is None else size for size in end.shape))
        yield Problem(
            where,
            f"its size is open: {opened}",
            "export it with a fixed batch and size, or give trtexec --minShapes, --optShapes and --maxShapes",
        )
    if end.shape is not None and len(end.shape) > known.max_rank:
        yield Problem(where, f"it has {len(end.shape)} axes, {known.max_rank} are the most", ANOTHER)


def _operation(one: Typed, constants: Constants, known: Lists) -> Iterator[Problem]:
    node = one.node
    if node.op in known.plugins:
        return
    if node.domain:
        yield _problem(one, f"it is of the operation set {node.domain[:80]!r}, which needs a plugin", ANOTHER)
        return
    if node.op not in known.types:
        reason = "its list says that it is not supported" if node.op in known.refused else "it is not in its list"
        yield _problem(one, reason, ANOTHER)
        return
    for dtype in dict.fromkeys(_computed(one)):
        if dtype and known.casts.get(dtype, dtype) not in known.types[node.op]:
            takes = listed(sorted(known.types[node.op]), "or")
            yield _problem(one, f"it computes with {dtype}, the list has {takes}", "convert the model to float32")
    for rule, argument in known.rules.get(node.op, {}).items():
        reason, remedy = _RULES[rule](one, argument, constants)
        if reason:
            yield _problem(one, reason, remedy)


def _problem(one: Typed, reason: str, remedy: str) -> Problem:
    return Problem(one.node.called, reason, remedy, one.node.op)


def _computed(one: Typed) -> list[str]:
    """Returns the types that an operation computes with."""
    places = _CHANGED_OPS.get(one.node.op, ("input",) if one.node.inputs else ("output",))
    types = {"input": one.input_type(0), "second": one.input_type(1), "output": one.output_type(0)}
    return [] if one.node.graphs else [types[place] for place in places]


Told = tuple[str, str]
"""A reason, which is empty where the rule is kept, and what to do."""
_KEPT: Told = ("", "")


def _spatial(one: Typed, allowed: list[int], constants: Constants) -> Told:
    kernel = one.node.attributes.get("kernel_shape")
    rank = len(kernel) if isinstance(kernel, tuple) else None
    if rank is None and one.node.op.startswith("Conv") and len(one.node.inputs) > 1:
        weights = constants.value(one.node.inputs[1])
        rank = None if weights is None else weights.ndim - 2
    if rank is None or rank in allowed:
        return _KEPT
    return f"it has {rank} spatial axes, {listed(allowed, 'or')} are taken", "add an axis of size 1"


def _given(one: Typed, places: list[int]) -> Iterator[tuple[int, str]]:
    for place in places:
        if place < len(one.node.inputs) and one.node.inputs[place]:
            yield place, one.node.inputs[place]


def _constant(one: Typed, places: list[int], constants: Constants) -> Told:
    for place, name in _given(one, places):
        if name not in constants:
            return f"its input {_formal(one, place)} is computed, and not a constant", FOLD
    return _KEPT


def _constant_floats(one: Typed, places: list[int], constants: Constants) -> Told:
    return _constant(one, places, constants) if one.input_type(0).startswith("float") else _KEPT


def _zero(one: Typed, places: list[int], constants: Constants) -> Told:
    for place, name in _given(one, places):
        value = constants.numbers(name)
        if value is None:
            return f"its input {_formal(one, place)} is computed, and not a constant", FOLD
        if np.any(value != 0):
            return "its zero point is not 0", "quantize symmetrically, with int8 and zero points of 0"
    return _KEPT


def _false(one: Typed, places: list[int], constants: Constants) -> Told:
    for _, name in _given(one, places):
        value = constants.numbers(name)
        if value is None or np.any(value):
            return "it is for training", "export the model for inference"
    return _KEPT


def _stored(one: Typed, allowed: list[str], constants: Constants) -> Told:
    dtype = one.output_type(0)
    if not dtype or dtype in allowed:
        return _KEPT
    return f"it stores {dtype}, the list has {listed(allowed, 'or')}", "quantize symmetrically, to int8"


def _values(one: Typed, allowed: dict[str, list[Any]], constants: Constants) -> Told:
    for name, values in allowed.items():
        found = one.node.attributes.get(name)
        if found is not None and found not in values:
            shown = found if isinstance(found, int) else repr(str(found)[:80])
            return f"its {name} is {shown}, the list has {listed(values, 'or')}", ANOTHER
    return _KEPT


def _with(one: Typed, asked: dict[str, dict[str, dict[str, list[Any]]]], constants: Constants) -> Told:
    for name, by_value in asked.items():
        value = str(one.node.attributes.get(name, ""))
        reason, remedy = _values(one, by_value.get(value, {}), constants)
        if reason:
            return f"with {name} {value!r} {reason}", remedy
    return _KEPT


def _ones(one: Typed, names: list[str], constants: Constants) -> Told:
    for name in names:
        if any(number != 1 for number in one.node.attributes.get(name) or ()):
            return f"its {name} are not all 1", ANOTHER
    return _KEPT


def _absent(one: Typed, names: list[str], constants: Constants) -> Told:
    for name in names:
        if name in one.node.attributes:
            return f"it has a {name}", ANOTHER
    return _KEPT


def _rank(one: Typed, bounds: list[int], constants: Constants) -> Told:
    name = one.node.inputs[0] if one.node.inputs else ""
    found = next((v.shape for v in (*one.graph.inputs, *one.graph.values.values()) if v.name == name and v.shape), None)
    if found is None or bounds[0] <= len(found) <= bounds[1]:
        return _KEPT
    return f"its input has {len(found)} axes, the list has {bounds[0]} to {bounds[1]}", ANOTHER


def _outputs(one: Typed, most: int, constants: Constants) -> Told:
    used = [name for name in one.node.outputs if name]
    return _KEPT if len(used) <= most else (f"it has {len(used)} outputs, the list has {most}", ANOTHER)


def _below(one: Typed, bounds: dict[str, int], constants: Constants) -> Told:
    for place, bound in bounds.items():
        for _, name in _given(one, [int(place)]):
            value = constants.numbers(name)
            if value is not None and value.size and value.max() >= bound:
                return f"its {_formal(one, int(place))} is {value.max():.0f}, it has to be below {bound}", ANOTHER
    return _KEPT


def _equation(one: Typed, kind: str, constants: Constants) -> Told:
    text = str(one.node.attributes.get("equation", ""))
    terms = text.partition("->")[0].replace(" ", "").split(",")
    plain = "." not in text and all(len(set(term)) == len(term) for term in terms)
    return _KEPT if plain else ("its equation has an ellipsis or takes a diagonal", ANOTHER)


def _formal(one: Typed, place: int) -> str:
    """Returns the name that the operation's definition has for an input."""
    formals = one.schema.inputs if one.schema is not None else ()
    return str(formals[place].name) if place < len(formals) else str(place + 1)


_RULES: dict[str, Callable[[Typed, Any, Constants], Told]] = {
    "absent": _absent,
    "below": _below,
    "constant": _constant,
    "constant_floats": _constant_floats,
    "equation": _equation,
    "false": _false,
    "ones": _ones,
    "outputs": _outputs,
    "rank": _rank,
    "spatial": _spatial,
    "stored": _stored,
    "values": _values,
    "with": _with,
    "zero": _zero,
}
