"""Writes zoo/assets/onnxruntime_ops.json: the operations that ONNX Runtime's CPU provider has, by version and type.

They are asked of the installed onnxruntime, whose own list in docs/OperatorKernels.md is made in the same way. Run it
after a new version of onnxruntime: .venv/bin/python tools/onnxruntime_ops.py.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

from zoo.files.writing import atomic

PROVIDER = "CPUExecutionProvider"
OPEN = 2**31 - 1
"""The last version of a kernel that has none."""
DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
"""The operation sets that files have; the others are for the runtime's own use."""
TARGET = Path(__file__).resolve().parent.parent / "zoo" / "assets" / "onnxruntime_ops.json"


def kernels() -> dict[str, dict[str, list[Any]]]:
    """Returns the kernels by operation set and operation: first version, last one or None, types by constraint."""
    found: dict[tuple[str, str, int, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for kernel in state.get_all_opkernel_def():
        if kernel.provider != PROVIDER or kernel.domain not in DOMAINS:
            continue
        first, last = kernel.version_range
        types = found[kernel.domain, kernel.op_name, first, last]
        for constraint, names in kernel.type_constraints.items():
            types[constraint] |= {plain for name in names if (plain := _plain(name))}
    tables: dict[str, dict[str, list[Any]]] = {domain: {} for domain in DOMAINS}
    for (domain, op, first, last), types in sorted(found.items()):
        told = {constraint: " ".join(sorted(names)) for constraint, names in sorted(types.items()) if names}
        tables[domain].setdefault(op, []).append([first, None if last == OPEN else last, told])
    return tables


def _plain(name: str) -> str:
    """Returns `float32` for `tensor(float)`; nothing for what is no tensor."""
    if not name.startswith("tensor("):
        return ""
    inner = name[len("tensor(") : -1]
    return {"float": "float32", "double": "float64"}.get(inner, inner)


def newest(works: Callable[[int], bool], first: int) -> int:
    """Returns the last number, counted from `first`, for which something works."""
    number = first
    while works(number + 1):
        number += 1
    return number


def loads(opset: int, ir_version: int) -> bool:
    """Whether the runtime loads a file of these versions."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    try:
        onnxruntime.InferenceSession(made.SerializeToString(), providers=[PROVIDER])
    except Exception:  # noqa: BLE001  # the runtime's errors have no common class
        return False
    return True


def main() -> None:
    """Writes the table."""
    onnxruntime.set_default_logger_severity(4)
    table = {
        "source": f"the kernels that the {PROVIDER} of onnxruntime {onnxruntime.__version__} registers, asked with "
        f"get_all_opkernel_def(), and the versions that it loads, tried one by one (onnx {onnx.__version__})",
        "reading": "for each operation set: operation, and its kernels as [first version, last version or null, types "
        "of each constraint]; a kernel without a last version is for operations of its first version alone",
        "version": onnxruntime.__version__,
        "newest_opset": newest(lambda number: loads(number, 7), 7),
        "newest_ir": newest(lambda number: loads(13, number), 7),
        "ops": kernels(),
    }
    with atomic(TARGET) as scratch:
        scratch.write_text(in_lines(table), encoding="utf-8")
    print(f"{TARGET}: {sum(map(len, table['ops'].values()))} operations of onnxruntime {onnxruntime.__version__}")


def in_lines(table: dict[str, Any]) -> str:
    """Returns the table as JSON with one operation a line."""
    head = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in table.items() if key != "ops"]
    domains = [
        f"  {json.dumps(domain)}: {{\n"
        + ",\n".join(f"   {json.dumps(op)}: {json.dumps(found)}" for op, found in ops.items())
        + "\n  }"
        for domain, ops in table["ops"].items()
    ]
    return "\n".join(["{", *head, ' "ops": {', ",\n".join(domains), " }", "}", ""])


if __name__ == "__main__":
    main()
