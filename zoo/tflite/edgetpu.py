"""Predicts which operations of a file an Edge TPU will run, by Coral's rules.

`zoo/assets/edgetpu_ops.json` names a source for each rule. The rules are applied before the file is compiled; the
compiler (`zoo.export.tflite.edgetpu`) decides.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.assets import read_json
from zoo.text import count_of, plural
from zoo.tflite.modelfile import Graph, ModelFile, Op

COMPILER_RUNTIME = 14
"""The Edge TPU runtime that edgetpu_compiler 16 targets."""


CACHE_BYTES = 7 * 1024 * 1024
"""Size of weights that the chip certainly keeps; Coral states about 8 MB, measured were 7 to 8 MiB."""


MOST_CACHE_BYTES = 8 * 1024 * 1024
"""Size of weights that the chip certainly does not keep all of; between the two nobody knows before compiling."""


_ARRANGING = {"CONCATENATION", "RESHAPE"}
"""Operations of which the compiler maps those of large tensors or not, as it says."""


@dataclass(frozen=True)
class Placement:
    """The place where one operation runs."""

    op: str
    output: str
    """Name of the tensor that the operation computes."""
    on_tpu: bool
    why: str
    """Reason why the operation stays on the CPU; empty if it runs on the Edge TPU."""
    macs: int


@dataclass(frozen=True)
class EdgeTpuReport:
    """The parts of a file that the Edge TPU runs."""

    placements: tuple[Placement, ...]
    weight_bytes: int

    @property
    def mapped_macs(self) -> float:
        """Share of the multiply-accumulates that run on the Edge TPU, 0..1."""
        total = sum(p.macs for p in self.placements)
        return sum(p.macs for p in self.placements if p.on_tpu) / total if total else 0.0

    @property
    def fits_cache(self) -> bool:
        """Whether all weights certainly stay on the chip between inferences."""
        return self.weight_bytes <= CACHE_BYTES

    def lines(self) -> list[str]:
        """Returns the totals as lines of text."""
        mapped = sum(p.on_tpu for p in self.placements)
        size = f"{self.weight_bytes / 2**20:.1f} MiB of weights"
        if self.fits_cache:
            cache = f"{size} fit the on-chip cache"
        elif self.weight_bytes <= MOST_CACHE_BYTES:
            cache = (
                f"{size} may not fit the on-chip cache, which is known to be about 8 MB only: the compiler's log says "
                "how much of it crosses USB or PCIe at every inference"
            )
        else:
            cache = (
                f"{size} do not fit the on-chip cache of about 8 MB: the rest crosses USB or PCIe at every inference, "
                "which then costs more than the arithmetic; a smaller model is faster"
            )
        found = [
            f"Edge TPU: {mapped} of {count_of(len(self.placements), 'operation')}, {self.mapped_macs:.1%} of the MACs"
        ]
        last = max((i for i, one in enumerate(self.placements) if one.macs), default=-1)
        tail = [one.op for one in self.placements[last + 1 :]]
        if _ARRANGING & set(tail):
            found.append(
                f"the last {count_of(len(tail), 'operation')} only "
                f"{plural(len(tail), 'arranges', 'arrange')} the outputs; if the compiler leaves some of them to the "
                "CPU, such as a RESHAPE of large tensors, all before them still runs on the Edge TPU"
            )
        return [*found, cache]

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "operations": len(self.placements),
            "mapped_operations": sum(p.on_tpu for p in self.placements),
            "mapped_macs": round(self.mapped_macs, 4),
            "weight_bytes": self.weight_bytes,
            "fits_cache": self.fits_cache,
            "placements": [dataclasses.asdict(p) for p in self.placements],
        }


def report(file: ModelFile) -> EdgeTpuReport:
    """Applies Coral's rules to a file, operation by operation.

    The compiler cuts the graph once: all that comes after the first operation it cannot map stays on the CPU.
    """
    graph = file.main
    placements = []
    cut = ""
    for op in graph.ops:
        why = _why_not(op, graph)
        output = graph.tensors[op.outputs[0]].name if op.outputs else ""
        if why and not cut:
            cut = f"comes after {op.name} ({output}), where the graph is cut"
            placements.append(Placement(op.name, output, False, why, graph.macs(op)))
        else:
            placements.append(Placement(op.name, output, not (why or cut), why or cut, graph.macs(op)))
    return EdgeTpuReport(tuple(placements), sum(t.bytes for t in graph.tensors))


def _why_not(op: Op, graph: Graph) -> str:
    supported = _table().get(op.name)
    if supported is None:
        return "the Edge TPU has no such operation"
    if supported["min_runtime"] != "all" and int(supported["min_runtime"]) > COMPILER_RUNTIME:
        return f"needs Edge TPU runtime {supported['min_runtime']}"
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
    for tensor in tensors:
        if tensor.dynamic:
            return f"tensor {tensor.name!r} has no fixed size"
        if tensor.dtype not in {"INT8", "UINT8", "INT32"} or (not tensor.is_constant and tensor.dtype == "INT32"):
            return f"tensor {tensor.name!r} is {tensor.dtype.lower()}, not 8-bit"
        if not tensor.is_constant and any(n > 1 for n in tensor.shape[:-3]):
            return f"tensor {tensor.name!r} has more than three dimensions: {tensor.shape}"
    rule = _RULES.get(op.name)
    return rule(op, graph) if rule else ""


def _option(op: Op, slot: int, kind: str = "i", default: int = 0) -> int:
    return op.options.number(slot, kind, default) if op.options else default


def _constant_parameters(op: Op, graph: Graph) -> str:
    if all(graph.tensors[i].is_constant for i in op.inputs[1:] if i >= 0):
        return ""
    return "its weights are not constant"


def _convolution(op: Op, graph: Graph) -> str:
    first = 4 if op.name == "CONV_2D" else 5
    if _option(op, first, default=1) != _option(op, first + 1, default=1):
        return "its dilation differs between x and y"
    if op.name == "CONV_2D" and len(op.inputs) > 1:
        channels, kernel = graph.tensors[op.inputs[0]].shape[-1:], graph.tensors[op.inputs[1]].shape[-1:]
        if channels != kernel:
            return "it is grouped; export for the target edgetpu"
    return _constant_parameters(op, graph)


def _dense(op: Op, graph: Graph) -> str:
    if _option(op, 1, "b") != 0:
        return "its weights are shuffled"
    if any(n != 1 for n in graph.tensors[op.outputs[0]].shape[:-1]):
        return "its output has more than one dimension"
    return _constant_parameters(op, graph)


def _no_activation(slot: int) -> Callable[[Op, Graph], str]:
    return lambda op, _: "it has an activation fused to it" if _option(op, slot, "b") else ""


def _softmax(op: Op, graph: Graph) -> str:
    shape = graph.tensors[op.inputs[0]].shape
    if any(n != 1 for n in shape[:-1]) or shape[-1] > 16_000:
        return f"its input {shape} is not one row of at most 16,000"
    return ""


def _mean(op: Op, graph: Graph) -> str:
    before, after = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    if before and (not after or before[-1] != after[-1]) and before[-1] % 4:
        return f"it averages over {before[-1]} channels, not a multiple of 4"
    return ""


def _concatenation(op: Op, graph: Graph) -> str:
    constants = sum(graph.tensors[i].is_constant for i in op.inputs if i >= 0)
    if constants and len(op.inputs) != 2:
        return "it has a constant among more than two inputs"
    return _no_activation(1)(op, graph)


_RULES: dict[str, Callable[[Op, Graph], str]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _dense,
    "AVERAGE_POOL_2D": _no_activation(5),
    "MAX_POOL_2D": _no_activation(5),
    "CONCATENATION": _concatenation,
    "SOFTMAX": _softmax,
    "MEAN": _mean,
}


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    return {row["tflite_op"]: row for row in read_json("edgetpu_ops.json")["operations"]}
