"""Checks an `.onnx` file against the operations that ONNX Runtime's CPU provider has.

`zoo/assets/onnxruntime_ops.json` has them, by version and type; tools/onnxruntime_ops.py asks the runtime for them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from zoo.assets import read_json
from zoo.errors import listed
from zoo.onnx.problem import Problem
from zoo.onnx.reading.model import OnnxFile
from zoo.onnx.reading.types import Typed, typed

NEWER = "take a newer onnxruntime, or export it with an older opset"


@functools.cache
def table() -> dict[str, Any]:
    """Returns the operations, and the versions that the runtime loads."""
    found: dict[str, Any] = read_json("onnxruntime_ops.json")
    return found


def problems(file: OnnxFile) -> Iterator[Problem]:
    """Yields what keeps ONNX Runtime from running a file on its CPU provider."""
    known = table()
    if file.ir_version > known["newest_ir"]:
        yield Problem(
            "the file", f"its IR version is {file.ir_version}, {known['newest_ir']} is the newest that is known", NEWER
        )
    if file.opset > known["newest_opset"]:
        yield Problem("the file", f"it is of opset {file.opset}, {known['newest_opset']} is the newest known", NEWER)
    for one in typed(file):
        if problem := _problem(one, known["ops"]):
            yield problem


def _problem(one: Typed, known: dict[str, dict[str, list[Any]]]) -> Problem | None:
    node, schema = one.node, one.schema
    if node.op == "Constant" and not node.domain:  # the runtime makes a constant of it
        return None
    found = known.get(node.domain, {}).get(node.op, [])
    version = schema.since_version if schema is not None else 1
    fitting = [types for first, last, types in found if first == version or (last and first <= version <= last)]
    named = one.named_types()
    wrong = [_unfit(named, types) for types in fitting]
    if (wrong and not all(wrong)) or (
        schema is not None and (schema.has_function or schema.has_context_dependent_function)
    ):
        return None  # one without a kernel of its own may be put together from others
    if not wrong:
        reason = (
            f"it is of version {version}, of which the CPU provider has no kernel"
            if found
            else "the CPU provider has no such operation"
        )
        return Problem(node.called, reason, "export the model without it, or give onnxruntime its library", node.op)
    dtype, allowed = wrong[0]
    return Problem(
        node.called,
        f"it computes with {dtype}, the CPU provider has {listed(allowed.split(), 'or')}",
        "convert the model to float32",
        node.op,
    )


def _unfit(named: dict[str, str], types: dict[str, str]) -> tuple[str, ...]:
    """Returns the type of a tensor that a kernel does not take, and those that it takes; nothing if it takes all."""
    for name, allowed in types.items():
        if not _fits(named.get(name, ""), allowed):
            return named[name], allowed
    return ()


def _fits(dtype: str, allowed: str) -> bool:
    """Whether a type is allowed, or not known; float16 is computed as float32 where there is no kernel for it."""
    types = allowed.split()
    return not dtype or dtype in types or (dtype == "float16" and "float32" in types)
