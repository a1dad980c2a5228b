"""Collects all facts about a `.tflite` file that are known without running it. Needs no TensorFlow."""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.tflite import compat
from zoo.tflite.card import Description, checksum, describe
from zoo.tflite.modelfile import ModelFile, Tensor, read


@dataclass(frozen=True)
class Inspection:
    """The content of a file."""

    file: ModelFile
    description: Description
    """Labels and card of the file."""
    checksum: str
    """`right`, `wrong` or `none`: see `zoo.tflite.card.checksum`."""
    problems: dict[str, list[compat.Problem]]
    """For each known runtime, the problems that keep it from running the file."""

    @property
    def inputs(self) -> list[Tensor]:
        """The graph's inputs."""
        return [self.file.main.tensors[i] for i in self.file.main.inputs]

    @property
    def outputs(self) -> list[Tensor]:
        """The graph's outputs."""
        return [self.file.main.tensors[i] for i in self.file.main.outputs]

    @property
    def ops(self) -> list[tuple[str, int, int]]:
        """The operations as (name, version, number of uses), most frequent first."""
        return compat.op_counts(self.file)

    @functools.cached_property
    def op_bytes(self) -> dict[str, int]:
        """Bytes of constants by the operation that reads them first."""
        sizes: Counter[str] = Counter()
        for graph in self.file.graphs:
            sizes.update(graph.constant_bytes())
        return dict(sizes)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return self.file.main.total_macs

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {
            "path": str(self.file.path),
            "bytes": self.file.size,
            "schema_version": self.file.schema_version,
            "min_runtime": self.file.min_runtime,
            "macs": self.macs,
            "inputs": [_tensor(t) for t in self.inputs],
            "outputs": [_tensor(t) for t in self.outputs],
            "ops": [
                {"op": name, "version": version, "count": count, "weight_bytes": self.op_bytes.get(name, 0)}
                for name, version, count in self.ops
            ],
            "runtimes": {name: [str(problem) for problem in found] for name, found in self.problems.items()},
            "metadata": list(self.file.metadata),
            "labels": list(self.description.labels),
            "card": self.description.card,
            "checksum": self.checksum,
            "tensors": [_tensor(t) for graph in self.file.graphs for t in graph.tensors],
        }


def inspect_file(path: str | Path) -> Inspection:
    """Reads a file.

    Raises:
        ModelFileError: it cannot be read, is no `.tflite` file, or is damaged.
    """
    file = read(path)
    description = describe(path)
    problems = {runtime: compat.problems(file, runtime) for runtime in compat.RUNTIMES}
    return Inspection(file, description, checksum(file.path), problems)


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "index": tensor.number,
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.lower(),
        "scales": [float(scale) if math.isfinite(scale) else None for scale in tensor.scales],
        "zero_points": [int(zero) for zero in tensor.zero_points],
        "axis": tensor.axis,
        "bytes": tensor.bytes,
    }
