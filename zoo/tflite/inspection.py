"""All that can be said of a `.tflite` file without running it. Needs no TensorFlow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.tflite import compat
from zoo.tflite.card import Description, checksum, describe
from zoo.tflite.modelfile import ModelFile, Tensor, read


@dataclass(frozen=True)
class Inspection:
    """What is in a file."""

    file: ModelFile
    description: Description
    """Labels and card."""
    checksum: str
    """`right`, `wrong`, or `none` where the card holds none."""
    problems: dict[str, list[compat.Problem]]
    """For each known runtime, what keeps it from running the file."""

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
        """(operation, version, how many), most frequent first."""
        return compat.op_counts(self.file)

    @property
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
        """For JSON."""
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


def is_calibrated_on(card: dict[str, Any], source: str | Path) -> bool:
    """Whether a file was calibrated on these examples.

    Args:
        card: of the file.
        source: the folder of pictures or `.npy` file that `calibration` was in the export.

    Raises:
        InputError: the card has no digest, or the examples cannot be read.
    """
    from zoo.export.calibration import from_file, from_folder

    stated = card.get("calibration")
    stated = stated if isinstance(stated, dict) else {}
    digest, count, seed = stated.get("digest"), stated.get("count"), stated.get("seed")
    if not isinstance(digest, dict) or not isinstance(digest.get("salt"), str):
        raise InputError("the card holds no digest of calibration examples: the file was calibrated on none of yours")
    if type(count) is not int or type(seed) is not int or count < 1:
        raise InputError(f"the card's calibration is damaged: count {count!r}, seed {seed!r}")
    source, salt = Path(source), digest["salt"]
    if source.suffix == ".npy":
        found = from_file(source, None, count, seed, salt=salt)
    else:
        # Which files are taken does not depend on the size that they are brought to.
        found = from_folder(source, (8, 8, 3), samples=count, seed=seed, salt=salt)
    return bool(found.manifest["digest"] == digest)


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "index": tensor.index,
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.lower(),
        "scales": [float(scale) for scale in tensor.scales],
        "zero_points": [int(zero) for zero in tensor.zero_points],
        "axis": tensor.axis,
        "bytes": tensor.bytes,
    }
