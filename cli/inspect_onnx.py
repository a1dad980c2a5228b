"""Prints what `zoo inspect` finds in an `.onnx` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.described import print_description
from zoo.cli.output import echo, megabytes, print_json, print_table, shape
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.onnx.inspection import OnnxInspection
    from zoo.onnx.reading.model import Value
    from zoo.onnx.targets import OnnxTarget


def inspect(file: Path, target: OnnxTarget | None, tensors: bool, as_json: bool) -> int:
    """Prints what is in a file, and what the targets make of it; returns 1 if `target` does not take it.

    Raises:
        ModelFileError, MissingDependencyError: see `zoo.onnx.inspection.inspect_file`.
    """
    from zoo.onnx.inspection import inspect_file
    from zoo.onnx.targets import ONNX_TARGETS

    found = inspect_file(file, [target] if target else ONNX_TARGETS)
    if as_json:
        print_json(found.as_dict() | {"runner": _outlook(found)})
    else:
        _print(found, tensors)
    return 1 if target and not found.takes else 0


def _outlook(found: OnnxInspection) -> dict[str, str]:
    from zoo.onnx.reading import outline
    from zoo.runner.outlook import outlook

    try:
        return outlook(outline.read(found.file.path), found.description.card)
    except ZooError as error:
        return {"input": f"refused: {error}"}


def _print(found: OnnxInspection, tensors: bool) -> None:
    from zoo.runner.outlook import lines

    file = found.file
    sets = ", ".join(f"{domain} {version}" if domain else f"opset {version}" for domain, version in file.opsets.items())
    echo(f"{file.path}: {megabytes(file.size)}, ONNX {sets}, IR version {file.ir_version}")
    for what, ends in (("input", file.graph.inputs), ("output", file.graph.outputs)):
        for end in ends:
            echo(f"{what}: {end.name} {_sizes(end)} {end.dtype}".rstrip())
    for line in lines(_outlook(found)):
        echo(line)
    echo(f"written by {file.producer or 'a program that does not say its name'}", "")
    rows = [(op, str(count), megabytes(found.op_bytes.get(op, 0))) for op, count in file.op_counts()]
    print_table(("operation", "count", "weights"), rows)
    echo()
    for verdict in found.verdicts.values():
        for line in verdict.lines():
            echo(line)
    echo()
    print_description(found)
    if tensors:
        echo()
        constants = [one for graph in file.all_graphs() for one in graph.constants.values()]
        details = [(one.name, shape(one.shape), one.dtype, str(one.bytes)) for one in constants]
        print_table(("constant", "shape", "type", "bytes"), details, left=("constant", "shape"))


def _sizes(value: Value) -> str:
    """The shape of an input or output; open sizes by their names."""
    if value.shape is None:
        return "of unknown shape"
    return "x".join("?" if size is None else str(size) for size in value.shape)
