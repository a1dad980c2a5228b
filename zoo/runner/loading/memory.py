"""Refuses a file that cannot fit into the memory, before the kernel kills the process for it."""

from __future__ import annotations

import math
import os
from pathlib import Path

from zoo.errors import ModelFileError
from zoo.machine.memory import limit
from zoo.machine.procfs import ROOT, resident_pages
from zoo.runner import formats
from zoo.tflite.modelfile import ITEM_BYTES, Graph


def require(path: Path, root: Path = ROOT) -> None:
    """Checks whether the weights of a file and the tensors of its largest operation fit into the memory.

    This is a lower bound: a file that passes may still be too large, and then the kernel kills the process (exit code
    137). Runtimes map the file, which costs no memory, but copy the weights in another layout for fast kernels.

    Raises:
        ModelFileError: the file cannot fit into the memory limit of this process's control groups, or is no model.
    """
    allowed = limit(root)
    if allowed is None:
        return
    file = formats.read(path)
    needed = file.size + max((largest_operation(graph) for graph in file.graphs), default=0) + _resident(root)
    if needed > allowed:
        raise ModelFileError(
            f"{path} does not fit into the memory that this process may use: it needs at least "
            f"{needed / 1e6:,.0f} MB, the limit is {allowed / 1e6:,.0f} MB; raise it (docker run -m), or export with "
            "--quantize int8"
        )


def largest_operation(graph: Graph) -> int:
    """Returns the bytes of inputs and outputs, without constants, of the operation that has the most."""

    def size(index: int) -> int:
        tensor = graph.tensors[index]
        return 0 if tensor.is_constant else ITEM_BYTES.get(tensor.dtype, 0) * math.prod(tensor.shape)

    return max((sum(size(i) for i in {*op.inputs, *op.outputs} if i >= 0) for op in graph.ops), default=0)


def _resident(root: Path) -> int:
    """Returns the bytes that this process holds, without pages that it shares with other programs."""
    resident, shared = resident_pages(root) or (0, 0)
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
