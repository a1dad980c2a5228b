"""Refuses a file that cannot fit into a container's memory, before the kernel kills the process for it."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath

from zoo.errors import ModelFileError
from zoo.runner import modelfile
from zoo.runner.modelfile import ITEM_BYTES, Graph


def limit(root: Path = Path("/")) -> int | None:
    """The bytes that the control groups of this process allow it, the strictest of them; None: no limit.

    Args:
        root: where `proc` and `sys` are looked for.

    Version 2 says it in `memory.max`, version 1 (JetPack 4) in `memory.limit_in_bytes`. A container may see its own
    group as the top one, or the host's path to it, which then is not there: every folder on the way is looked at.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    mounts = root / "sys/fs/cgroup"
    found = []
    # The top groups in any case: all that a container may see.
    for line in ["0::/", "1:memory:/", *lines]:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            top, name = mounts, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = mounts / "memory", "memory.limit_in_bytes"
        else:
            continue
        path = PurePosixPath(group)
        found += [_number(top / str(folder).lstrip("/") / name) for folder in (path, *path.parents)]
    limits = [value for value in found if value is not None]
    # Version 1 writes "no limit" as a number that no machine has.
    return min((value for value in limits if value < 2**60), default=None)


def require(path: Path, root: Path = Path("/")) -> None:
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
    try:
        _, resident, shared, *_ = map(int, (root / "proc/self/statm").read_text().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None
