"""`zoo inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zoo.cli.output import json_option, megabytes, print_json, print_table, shape

SHOWN = 4000
"""Characters of a label, or of a line of the card."""
_CHECKSUMS = {
    "right": "model, labels and card are as they were written together; it does not say by whom",
    "wrong": "model, labels or card were changed since they were written together",
    "none": "the card holds none over model, labels and card",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tensors", is_flag=True, help="List every tensor.")
@json_option
def inspect(file: Path, tensors: bool, as_json: bool) -> None:
    """Show what is in FILE, a .tflite file, and which runtimes load it.

    Reads the file in pure Python and runs nothing: safe on files from anywhere.
    """
    from zoo.tflite.inspection import inspect_file

    found = inspect_file(file)
    if as_json:
        print_json(found.as_dict())
        return
    click.echo(f"{file}: {megabytes(found.file.size)}, TFLite schema {found.file.schema_version}")
    for name, ends in (("input", found.inputs), ("output", found.outputs)):
        for tensor in ends:
            click.echo(f"{name}: {tensor.name} {shape(tensor.shape)} {tensor.dtype.lower()}{_quantization(tensor)}")
    click.echo(f"{found.macs:,} MACs, min runtime by its converter: {found.file.min_runtime or 'not said'}\n")
    rows = [
        (name, str(version), str(count), megabytes(found.op_bytes.get(name, 0))) for name, version, count in found.ops
    ]
    print_table(("operation", "version", "count", "weights"), rows)
    click.echo()
    for runtime, problems in found.problems.items():
        if problems:
            click.echo(f"{runtime}: does not load it, because")
            for problem in problems:
                click.echo(f"  {problem}")
        else:
            click.echo(f"{runtime}: loads")
    click.echo()
    _print_description(found)
    if tensors:
        click.echo()
        details = [
            (str(t.index), t.name, shape(t.shape), t.dtype.lower(), _quantization(t), str(t.bytes or ""))
            for t in found.file.main.tensors
        ]
        print_table(("tensor", "name", "shape", "type", "quantization", "bytes"), details, left=("name", "shape"))


def _quantization(tensor: Any) -> str:
    if not len(tensor.scales):
        return ""
    if len(tensor.scales) > 1:
        return f" ({len(tensor.scales)} scales, axis {tensor.axis})"
    zero_point = tensor.zero_points[0] if len(tensor.zero_points) else 0
    return f" (scale {tensor.scales[0]:.6g}, zero point {zero_point})"


def _print_description(found: Any) -> None:
    labels = found.description.labels
    if labels:
        more = ", ..." if len(labels) > 5 else ""
        click.echo(f"{len(labels)} labels: {', '.join(label[:SHOWN] for label in labels[:5])}{more}")
    else:
        click.echo("no labels")
    if found.file.metadata:
        click.echo(f"metadata: {', '.join(found.file.metadata)}")
    card = {key: value for key, value in found.description.card.items() if key not in {"calibration", "checksum"}}
    calibration = found.description.card.get("calibration")
    if isinstance(calibration, dict):
        card["calibration"] = {key: value for key, value in calibration.items() if key != "files"}
    if not card:
        click.echo("no card")
        return
    click.echo("card:")
    for key, value in card.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"  {key[:SHOWN]}: {text if len(text) <= SHOWN else text[:SHOWN] + ' ... (whole with --json)'}")
    click.echo(f"checksum: {found.checksum}, {_CHECKSUMS[found.checksum]}")
