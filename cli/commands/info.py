"""`zoo info`."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import figures
from zoo.cli.options.model import given, model_options, spec_of
from zoo.cli.output import count, echo, import_tensorflow, json_option, print_json, print_table, shape, status
from zoo.cli.types import PATH
from zoo.errors import InputError
from zoo.files.writing import require_writable
from zoo.models import list_models
from zoo.specs import ModelSpec

if TYPE_CHECKING:
    from zoo.summary.table import Summary


@click.command()
@click.argument("model")
@model_options
@click.option(
    "--plot",
    "picture",
    type=PATH,
    metavar="FILE",
    help="Draw the model block by block into this .png or .svg file.",
)
@json_option
@click.pass_context
def info(ctx: click.Context, model: str, picture: Path | None, as_json: bool) -> None:
    """Show MODEL layer by layer, without building it; or that of a .keras file or of a run's folder.

    Each row shows a layer: output shape, kernel, stride, padding, groups, parameters, multiply-accumulates (MACs), the
    receptive field (the input pixels that one output value depends on) and the jump (the input pixels between two
    neighbouring output values).
    """
    path = Path(model)
    if model not in list_models() and (path.is_dir() or path.suffix in {".keras", ".h5", ".hdf5"}):
        if options := given(ctx, None):
            raise click.UsageError(f"--{next(iter(options)).replace('_', '-')} is for a model by name, not for a file")
        _require_drawable(picture)
        _show_file(path, picture, as_json=as_json)
        return
    if model not in list_models() and path.suffix in {".tflite", ".onnx"}:
        instead = f"zoo inspect {shlex.quote(model)}"
        raise InputError(f"{model} is no Keras model, whose layers are shown; {instead} shows it")
    spec = spec_of(model)
    options = spec.check(given(ctx, model))
    _require_drawable(picture)
    import_tensorflow()
    from zoo.summary.table import outline

    summary = outline(model, **options)
    _draw(summary, picture, f"{spec.paper} {spec.url}".strip())
    if as_json:
        print_json({"task": spec.task, "options": options, **dataclasses.asdict(summary)})
        return
    _print_layers(summary)
    echo("", f"{summary.model}: {spec.paper} {spec.url}".rstrip(), f"task: {spec.task}", *_published(spec, options))
    _print_totals(summary)
    for note in (*spec.notes(options), *spec.cautions_for(options)):
        echo(f"note: {note}")
    if picture is not None:
        echo(f"drawn: {picture}")


def _require_drawable(picture: Path | None) -> None:
    """Finds out before long work whether the picture can be drawn, if one is wanted."""
    if picture is not None:
        from zoo.plots import require

        require(picture)
        require_writable(picture.parent)


def _draw(summary: Summary, picture: Path | None, subtitle: str) -> None:
    if picture is not None:
        from zoo.summary.drawing import draw

        draw(summary, picture, subtitle=subtitle)


def _show_file(path: Path, picture: Path | None, *, as_json: bool) -> None:
    """Shows the model of a file, or the best model of a run's folder."""
    import_tensorflow(to_load=path)
    from zoo.summary.table import summarize
    from zoo.training.records.checkpointer import MODEL
    from zoo.training.records.folder import RECIPE, read_run
    from zoo.training.start import about_pruning
    from zoo.weights import load_model

    run = read_run(path)["model"] if (path / RECIPE).exists() else {}
    with status(f"loading {path.name}"):
        summary = summarize(load_model(path / MODEL if run else path))
    pruning = about_pruning(run)
    _draw(summary, picture, pruning)
    if as_json:
        print_json({"pruning": pruning, **dataclasses.asdict(summary)})
        return
    _print_layers(summary)
    echo("", f"{summary.model}, the model of {path}", *filter(None, [pruning]))
    _print_totals(summary)
    if picture is not None:
        echo(f"drawn: {picture}")


def _print_totals(summary: Summary) -> None:
    echo(
        f"input {shape(summary.input_shape)}, {summary.params:,} parameters "
        f"({summary.trainable_params:,} trainable), {summary.macs:,} MACs"
    )


def _published(spec: ModelSpec, options: dict[str, Any]) -> list[str]:
    """Returns one line for each published fact about the model with these options."""
    lines = []
    for weights in spec.weights:
        if weights.file_for(options) is not None:
            about = ", ".join(filter(None, (weights.source, weights.licence)))
            lines.append(f"published weights: --weights {weights.name}" + (f" ({about})" if about else ""))
    top1, int8_top1 = figures.top1(spec, options), figures.int8_top1(spec, options)
    if spec.accuracies and top1 is not None:
        more = "" if int8_top1 is None else f", {int8_top1}% in 8-bit integers"
        lines.append(f"published ImageNet top-1: {top1}%{more} ({spec.accuracies.source})")
    return lines


def _print_layers(summary: Summary) -> None:
    rows = [
        (
            row.name,
            row.kind,
            shape(row.output_shape),
            shape(row.kernel),
            _axes(row.stride),
            _padding(row.padding),
            "" if row.groups is None else str(row.groups),
            count(row.params) if row.params else "",
            count(row.macs) if row.macs else "",
            _axes(row.receptive_field),
            _axes(row.jump),
        )
        for row in summary.rows
    ]
    columns = ["layer", "kind", "output", "kernel", "stride", "pad", "groups", "params", "MACs", "field", "jump"]
    print_table(columns, rows, left=("kind", "output"))


def _axes(values: tuple[int, ...] | None) -> str:
    """Returns `3` if all axes are equal, otherwise `3x5`."""
    if values is None:
        return ""
    return str(values[0]) if len(set(values)) == 1 else shape(values)


def _padding(padding: tuple[tuple[int, int], ...] | None) -> str:
    """Returns `1`, or `0/1` if less padding is added before than after."""
    if padding is None:
        return ""
    texts = [str(before) if before == after else f"{before}/{after}" for before, after in padding]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)
