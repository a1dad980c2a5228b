"""Makes the records of a parsed file without a file, for rules that look at operations, types and shapes only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.tflite.modelfile import Graph, ModelFile, Op, Tensor


def tensor(
    dtype: str = "INT8", shape: tuple[int, ...] = (1, 4), *, scales: int = 0, constant: int = 0, dynamic: bool = False
) -> Tensor:
    """Makes a tensor; `constant` is the number of bytes that the file holds of it."""
    steps = np.ones(scales, np.float32)
    return Tensor(0, f"{dtype} {shape}", shape, dtype, steps, steps.astype(np.int64), 0, dynamic, constant)


def op(name: str, inputs: tuple[int, ...], outputs: tuple[int, ...], version: int = 1, *, custom: bool = False) -> Op:
    """Makes an operation without options."""
    return Op(name, version, custom, inputs, outputs)


def graph(
    tensors: list[Tensor] | list[str], *ops: Op, inputs: tuple[int, ...] = (0,), outputs: tuple[int, ...] | None = None
) -> Graph:
    """Makes a graph, which ends in its last tensor by default; a type stands for a tensor of it."""
    made = tuple(tensor(one) if isinstance(one, str) else one for one in tensors)
    return Graph(made, ops, inputs, (len(made) - 1,) if outputs is None else outputs)


def model(*graphs: Graph, size: int = 0) -> ModelFile:
    """Makes a file of these graphs."""
    return ModelFile(Path("m.tflite"), size, 3, graphs, {})
