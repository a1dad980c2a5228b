"""How much memory there is; refuses a file that cannot fit, before the kernel kills the process for it."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from zoo.errors import ModelFileError
from zoo.runner import modelfile
from zoo.runner.modelfile import ITEM_BYTES, Graph
from zoo.runner.procfs import ROOT, group_folders, kilobytes, number, resident_pages, text

_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""By version of control groups: where the limit stands, what is used, and what of that gives way (in `memory.stat`)."""

NO_LIMIT = 2**60
"""Version 1 writes "no limit" as a number that no machine has."""


def limit(root: Path = ROOT) -> int | None:
    """The bytes that the control groups of this process allow it, the strictest of them; None: no limit.

    Args:
        root: where `proc` and `sys` are looked for.

    Version 1 is what JetPack 4 has.
    """
    found = [number(folder / _FILES[version][0]) for version, folder in group_folders("memory", root)]
    limits = [value for value in found if value is not None]
    return min((value for value in limits if value < NO_LIMIT), default=None)


def available(root: Path = ROOT) -> int:
    """Bytes that can be taken without swapping, the limits of control groups considered."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [kilobytes(root / "proc/meminfo", "MemAvailable") or total]
    for version, folder in group_folders("memory", root):
        limit_file, used_file, gives_way = _FILES[version]
        most, used = number(folder / limit_file), number(folder / used_file)
        if most is not None and most < NO_LIMIT and used is not None:
            spare = re.search(rf"^{gives_way} (\d+)$", text(folder / "memory.stat") or "", re.MULTILINE)
            found.append(most - used + (int(spare[1]) if spare else 0))
    return max(0, min(found))


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
