"""Checks whether a runtime loads a file and computes the right results with it.

The table of operation versions was probed by loading one-operation files; see its `_meta` for how.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.assets import read_json
from zoo.errors import ExportError
from zoo.tflite.modelfile import POST_PROCESS, Graph, ModelFile, Op

RUNTIMES = {
    # name: key in op_versions.json
    "litert 2.3": "_ai-edge-litert-2.3",
    "tflite-runtime 2.14": "tflite-runtime-2.14",
    "edgetpu_compiler 16": "edgetpu-compiler-16",
}
FOR_TARGET: dict[str | None, tuple[str, ...]] = {
    None: ("litert 2.3", "tflite-runtime 2.14"),
    "litert": ("litert 2.3",),
    "tflite-runtime": ("tflite-runtime 2.14",),
    "edgetpu": ("edgetpu_compiler 16",),
}
"""The runtimes that must load a file for each target."""
FIRST_WITH_PER_CHANNEL_DENSE = "2.10"
"""The first runtime with per-channel scales in dense layers; older ones load such files and compute wrong results."""
_BEFORE_PER_CHANNEL_DENSE = {"edgetpu_compiler 16"}  # built on TensorFlow 2.5
_REMEDIES = {
    "FULLY_CONNECTED": "export for the target tflite-runtime, which keeps dense layers at one scale each",
    "CONV_2D": "export for the target edgetpu, which splits grouped convolutions",
}
_WITH_POST_PROCESS = {"litert 2.3", "tflite-runtime 2.14", "edgetpu_compiler 16"}
"""The runtimes that have the custom operation of detectors; an Edge TPU leaves it to its host's runtime."""
_OTHER_REMEDY = "use a newer runtime, or another quantization"


@dataclass(frozen=True)
class Problem:
    """Why a runtime cannot run a file as it is meant."""

    op: str
    version: int
    reason: str
    remedy: str

    def __str__(self) -> str:
        """Returns the problem in one line."""
        return f"{self.op} version {self.version}: {self.reason}; {self.remedy}"


def problems(file: ModelFile, runtime: str) -> list[Problem]:
    """Lists what keeps a runtime (a key of `RUNTIMES`) from running a file; empty if nothing does.

    An empty list is no proof: versions say what a kernel accepts, and only a run shows what it computes.
    """
    highest = _table()[RUNTIMES[runtime]]
    found: dict[tuple[str, int, str], Problem] = {}
    for graph in file.graphs:
        for op in graph.ops:
            if op.custom and op.name == POST_PROCESS and runtime in _WITH_POST_PROCESS:
                continue
            reason = _refusal(op, highest) or _misreading(op, graph, runtime)
            if reason:
                remedy = _REMEDIES.get(op.name, _OTHER_REMEDY)
                found.setdefault((op.name, op.version, reason), Problem(op.name, op.version, reason, remedy))
    return list(found.values())


def _refusal(op: Op, highest: dict[str, int]) -> str | None:
    if op.custom:
        return "a custom operation, which needs its own library"
    limit = highest.get(op.name)
    if limit is None:
        return "not known to this runtime"
    return f"this runtime has versions up to {limit}" if op.version > limit else None


def _misreading(op: Op, graph: Graph, runtime: str) -> str | None:
    if op.name != "FULLY_CONNECTED" or runtime not in _BEFORE_PER_CHANNEL_DENSE or len(op.inputs) < 2:
        return None
    if op.inputs[1] >= 0 and len(graph.tensors[op.inputs[1]].scales) > 1:
        return (
            "its weights have one scale a channel, which runtimes before "
            f"{FIRST_WITH_PER_CHANNEL_DENSE} accept and compute wrongly"
        )
    return None


def require(file: ModelFile, runtimes: Sequence[str]) -> None:
    """Refuses a file that one of the runtimes cannot run.

    Raises:
        ExportError: names runtime, operation, version and remedy.
    """
    for runtime in runtimes:
        found = problems(file, runtime)
        if found:
            raise ExportError(f"{runtime} cannot run this file: {found[0]}")


def ops_with_floats(file: ModelFile) -> list[tuple[Op, Graph]]:
    """Lists the operations that compute with floats, each with its graph; empty for a fully integer file.

    Conversions at the ends of the graph do not count: QUANTIZE of its input and DEQUANTIZE of its output.
    """
    return [
        (op, graph)
        for graph in file.graphs
        for op in graph.ops
        if _floats(op, graph)
        and not (op.name == "QUANTIZE" and set(op.inputs) <= set(graph.inputs))
        and not (op.name == "DEQUANTIZE" and set(op.outputs) <= set(graph.outputs))
    ]


def counted(ops: Sequence[tuple[Op, Graph]]) -> list[str]:
    """Returns how often each of some `ops_with_floats` is there, with its type, e.g. `2x MUL (float32)`."""
    found = Counter(f"{op.name} ({_floats(op, graph)[0].lower()})" for op, graph in ops)
    return [f"{count}x {name}" if count > 1 else name for name, count in found.items()]


def _floats(op: Op, graph: Graph) -> list[str]:
    types = {graph.tensors[i].dtype for i in (*op.inputs, *op.outputs) if i >= 0}
    return sorted(types & {"FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64"})


def op_counts(file: ModelFile) -> list[tuple[str, int, int]]:
    """Returns (operation, version, number of uses) for the operations of a file, most frequent first."""
    counts = Counter((op.name, op.version) for graph in file.graphs for op in graph.ops)
    return [(name, version, count) for (name, version), count in counts.most_common()]


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = read_json("op_versions.json")
    return table
