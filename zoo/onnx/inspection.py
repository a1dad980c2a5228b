"""Collects all facts about an `.onnx` file that are known without running it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.onnx.card import read_props
from zoo.onnx.digest import check
from zoo.onnx.reading.file import read
from zoo.onnx.reading.model import Constant, OnnxFile, Value
from zoo.onnx.support import Verdict, judge
from zoo.onnx.targets import ONNX_TARGETS, OnnxTarget
from zoo.tflite.card import Description


@dataclass(frozen=True)
class OnnxInspection:
    """The content of an `.onnx` file, and what the targets make of it."""

    file: OnnxFile
    description: Description
    """Labels and card of the file; empty in one that another tool made."""
    checksum: str
    """`right`, `wrong` or `none`: see `zoo.onnx.digest.check`."""
    verdicts: dict[OnnxTarget, Verdict]

    @property
    def takes(self) -> bool:
        """Whether all the targets that were asked about take the file."""
        return all(verdict.takes for verdict in self.verdicts.values())

    @functools.cached_property
    def op_bytes(self) -> dict[str, int]:
        """Bytes of constants by the operation that reads them first."""
        sizes: Counter[str] = Counter()
        for graph in self.file.all_graphs():
            left = {name: constant.bytes for name, constant in graph.constants.items()}
            for node in graph.nodes:
                sizes[node.op] += sum(left.pop(name, 0) for name in node.inputs)
                sizes[node.op] += sum(one.bytes for one in node.attributes.values() if isinstance(one, Constant))
        return dict(sizes)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        file = self.file
        return {
            "path": str(file.path),
            "bytes": file.size,
            "format": "onnx",
            "ir_version": file.ir_version,
            "producer": file.producer,
            "opsets": {domain or "ai.onnx": version for domain, version in file.opsets.items()},
            "inputs": [_end(one) for one in file.graph.inputs],
            "outputs": [_end(one) for one in file.graph.outputs],
            "ops": [
                {"op": op, "count": count, "weight_bytes": self.op_bytes.get(op, 0)} for op, count in file.op_counts()
            ],
            "targets": {target: verdict.as_dict() for target, verdict in self.verdicts.items()},
            "metadata": list(file.metadata),
            "labels": list(self.description.labels),
            "card": self.description.card,
            "checksum": self.checksum,
            "tensors": [
                {"name": one.name, "shape": list(one.shape), "dtype": one.dtype, "bytes": one.bytes}
                for graph in file.all_graphs()
                for one in graph.constants.values()
            ],
        }


def inspect_file(path: str | Path, targets: Sequence[OnnxTarget] = ONNX_TARGETS) -> OnnxInspection:
    """Reads a file, and judges it for some targets.

    Raises:
        ModelFileError: it cannot be read, is no `.onnx` file, or is damaged.
        MissingDependencyError: the package `onnx` is not installed; the message says what to type.
    """
    file = read(path)
    description = read_props(file.metadata, path)
    verdicts = {target: judge(file, target) for target in targets}
    return OnnxInspection(file, description, check(Path(path), thorough=True), verdicts)


def _end(value: Value) -> dict[str, Any]:
    shape = None if value.shape is None else list(value.shape)
    return {"name": value.name, "shape": shape, "dtype": value.dtype}
