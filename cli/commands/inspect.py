"""`zoo inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli import inspect_onnx
from zoo.cli.described import print_description
from zoo.cli.output import echo, json_option, megabytes, print_json, print_table, shape
from zoo.cli.types import PATH
from zoo.onnx.kinds import is_onnx
from zoo.onnx.targets import ONNX_TARGETS, OnnxTarget
from zoo.text import count_of


@click.command()
@click.argument("file", type=PATH)
@click.option("--tensors", is_flag=True, help="List all tensors.")
@click.option(
    "--private",
    "of_maker",
    is_flag=True,
    help="List what FILE (any file or folder) reveals about its maker: paths, names, hashes, times, versions, hosts.",
)
@click.option(
    "--calibration",
    type=PATH,
    metavar="DATA",
    help="Check whether FILE was calibrated on this folder of pictures or .npy file.",
)
@click.option(
    "--target",
    type=click.Choice(ONNX_TARGETS),
    help="Judge an .onnx FILE for this target alone: the exit code is 1 if it does not take the file.",
)
@json_option
def inspect(
    file: Path, tensors: bool, of_maker: bool, calibration: Path | None, target: OnnxTarget | None, as_json: bool
) -> int:
    """Show what is in FILE, a .tflite or .onnx file, and what loads it.

    The file is read in pure Python and never run, so this is safe for files from any source. With --calibration, the
    exit code is 1 if FILE was calibrated on other examples.

    An .onnx file, also one of another program, is held against what TensorRT 8.2 (JetPack 4.6), TensorRT 10.3 (JetPack
    6) and ONNX Runtime take: operations, types, sizes, operation set. No engine is built.
    """
    if sum((tensors, of_maker, calibration is not None)) > 1:
        raise click.UsageError("give one of --tensors, --private and --calibration", click.get_current_context())
    if target and (of_maker or calibration is not None):
        raise click.UsageError("--target goes with none of --private and --calibration", click.get_current_context())
    if target and not is_onnx(file):
        raise click.UsageError(f"{file} is no .onnx file; --target judges .onnx files", click.get_current_context())
    if of_maker:
        _print_private(file, as_json)
        return 0
    if calibration is not None:
        return _compare_calibration(file, calibration, as_json)
    if is_onnx(file):
        return inspect_onnx.inspect(file, target, tensors, as_json)
    from zoo.runner.outlook import outlook
    from zoo.tflite.inspection import inspect_file

    found = inspect_file(file)
    if as_json:
        print_json(found.as_dict() | {"runner": outlook(found.file, found.description.card)})
    else:
        _print(file, found, tensors)
    return 0


def _print_private(file: Path, as_json: bool) -> None:
    from zoo.privacy.scan import private

    found = private(file)
    if as_json:
        print_json({"file": str(file), "tells": [telling.as_dict() for telling in found]})
    elif found:
        print_table(("kind", "where", "what"), [(t.kind, t.where, t.value) for t in found], left=("where", "what"))
    else:
        echo("nothing")


def _compare_calibration(file: Path, data: Path, as_json: bool) -> int:
    from zoo.export.checking.calibrated import is_calibrated_on
    from zoo.runner.formats import describe

    same = is_calibrated_on(describe(file).card, data)
    if as_json:
        print_json({"file": str(file), "data": str(data), "calibrated_on": same})
    else:
        echo(f"{file} was calibrated on {data}" if same else f"{file} was calibrated on other examples than {data}")
    return 0 if same else 1


def _print(file: Path, found: Any, tensors: bool) -> None:
    from zoo.runner.outlook import lines, outlook

    echo(f"{file}: {megabytes(found.file.size)}, TFLite schema {found.file.schema_version}")
    for name, ends in (("input", found.inputs), ("output", found.outputs)):
        for tensor in ends:
            echo(f"{name}: {tensor.name} {shape(tensor.shape)} {tensor.dtype.lower()}{_quantization(tensor)}")
    for line in lines(outlook(found.file, found.description.card)):
        echo(line)
    echo(f"{found.macs:,} MACs, min runtime by its converter: {found.file.min_runtime or 'not said'}", "")
    rows = [
        (name, str(version), str(count), megabytes(found.op_bytes.get(name, 0))) for name, version, count in found.ops
    ]
    print_table(("operation", "version", "count", "weights"), rows)
    echo()
    for runtime, problems in found.problems.items():
        if problems:
            echo(f"{runtime}: does not load it, because")
            for problem in problems:
                echo(f"  {problem}")
        else:
            echo(f"{runtime}: loads")
    echo()
    print_description(found)
    if tensors:
        echo()
        details = [
            (str(t.number), t.name, shape(t.shape), t.dtype.lower(), _quantization(t), str(t.bytes or ""))
            for t in found.file.main.tensors
        ]
        print_table(("tensor", "name", "shape", "type", "quantization", "bytes"), details, left=("name", "shape"))


def _quantization(tensor: Any) -> str:
    if not len(tensor.scales):
        return ""
    if len(tensor.scales) > 1:
        return f" ({count_of(len(tensor.scales), 'scale')}, axis {tensor.axis})"
    zero_point = tensor.zero_points[0] if len(tensor.zero_points) else 0
    return f" (scale {tensor.scales[0]:.6g}, zero point {zero_point})"
