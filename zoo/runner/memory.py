"""How much memory there is; refuses a file that cannot fit, before the kernel kills the process for it."""

from __future__ import annotations

import math
import os
from pathlib import Path

from zoo.errors import ModelFileError
from zoo.machine.procfs import ROOT, resident_pages
from zoo.tflite import modelfile
from zoo.tflite.modelfile import ITEM_BYTES, Graph


def require(path: Path, root: Path = ROOT) -> None:
    """Finds out whether a file may fit: its weights, and the tensors of its largest operation.

    A lower bound: a file that passes may still be too large, and then the kernel ends the process (exit code 137).
    Runtimes map the file, which costs nothing yet, but pack the weights into memory of their own for fast kernels.

    Raises:
        ModelFileError: it cannot fit into the limit of this process's control groups, or is no model.
    """
    allowed = limit(root)
    if allowed is None:
        return
    file = modelfile.read(path)
    needed = file.size + max((largest_operation(graph) for graph in file.graphs), default=0) + _resident(root)
    if needed > allowed:
        raise ModelFileError(
            f"{path} does not fit into the memory that this process may use: it needs at least "
            f"{needed / 1e6:,.0f} MB, the limit is {allowed / 1e6:,.0f} MB; raise it (docker run -m), or export with "
            "--quantize int8"
        )


def largest_operation(graph: Graph) -> int:
    """Bytes of what one operation reads and writes, constants left out; of the operation where that is most."""

    def size(index: int) -> int:
        tensor = graph.tensors[index]
        return 0 if tensor.is_constant else ITEM_BYTES.get(tensor.dtype, 0) * math.prod(tensor.shape)

    return max((sum(size(i) for i in {*op.inputs, *op.outputs} if i >= 0) for op in graph.ops), default=0)


def _resident(root: Path) -> int:
    """What this process itself holds, pages shared with other programs left out."""
    resident, shared = resident_pages(root) or (0, 0)
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
