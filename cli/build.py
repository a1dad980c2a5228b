"""`zoo build`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from zoo import models
from zoo.cli.model_options import given, model_options
from zoo.cli.output import import_tensorflow, megabytes, print_json, status
from zoo.cli.types import words
from zoo.files import read_text

FORMATS = ("tflite", "keras", "savedmodel")


@click.command()
@click.argument("model")
@model_options
@click.option(
    "--export",
    "formats",
    type=words(*FORMATS),
    metavar=",".join(FORMATS),
    default="tflite",
    show_default=True,
    help="Files to write.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="Text file with one class name a line.")
@click.option(
    "--weights",
    default="none",
    show_default=True,
    help="none (random), or a .weights.h5, .keras or .h5 file.",
)
@click.option("--out", type=click.Path(path_type=Path), default=".", show_default=True, help="Folder for the files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def build(
    ctx: click.Context,
    model: str,
    formats: tuple[str, ...],
    labels: Path | None,
    weights: str,
    out: Path,
    as_json: bool,
) -> None:
    """Build MODEL and export it.

    The .tflite file takes raw pixels, carries its labels, and is checked against the Keras model before
    it is kept.
    """
    spec = models.spec(model)
    options = given(ctx)
    names = read_text(labels, "label file").splitlines() if labels else None
    if names is not None:
        options.setdefault("num_classes", len(names))
    options = spec.check(options)
    import_tensorflow()
    from zoo.export import to_keras, to_savedmodel, to_tflite
    from zoo.weights import load_weights

    def say(text: str) -> None:
        if not as_json:
            click.echo(text)

    with status(f"building {model}"):
        network = models.build(model, **options)
        if weights != "none":
            load_weights(network, weights)
    for note in spec.notes(options):
        say(f"note: {note}")
    results: list[dict[str, Any]] = []
    for name in formats:
        started = time.perf_counter()
        target = out / network.name
        with status(f"exporting {name}"):
            if name == "tflite":
                path = target.with_name(f"{target.name}.tflite")
                facts = {"architecture": model, "options": options, "weights": weights}
                report = to_tflite(network, path, labels=names, facts=facts)
                results.append({"format": name, **report.as_dict()})
            elif name == "keras":
                path = to_keras(network, target.with_name(f"{target.name}.keras"))
            else:
                path = to_savedmodel(network, target.with_name(f"{target.name}_savedmodel"))
        if name != "tflite":
            results.append({"format": name, "path": str(path), "bytes": _size(path)})
        results[-1]["seconds"] = round(time.perf_counter() - started, 3)
        say(f"wrote {path}  {megabytes(results[-1]['bytes'])}  in {results[-1]['seconds']:.1f} s")
        if name == "tflite":
            v = report.verification
            say(
                f"checked against Keras on {v.inputs} {v.source} ({v.runtime}): "
                f"largest difference {v.max_diff:.2g}, same top-1 on {v.top1:.0%}"
            )
    if as_json:
        print_json(results)
        return
    if weights == "none":
        say(
            "The weights are RANDOM: the file runs, but its answers mean nothing yet. Train the model in Keras "
            "(model = zoo.build(...); model.compile(...); model.fit(...)) and pass the saved file with --weights."
        )
    if "tflite" in formats:
        say(f"Try it: zoo run {target.with_name(f'{target.name}.tflite')} PHOTO.jpg")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
