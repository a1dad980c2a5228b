"""`zoo export`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.exporting import export_files
from zoo.cli.options.export import ExportRequest, export_options, read_request
from zoo.cli.output import echo, import_tensorflow, status
from zoo.cli.types import PATH, int_list, words
from zoo.export.options import FILE_FORMATS

if TYPE_CHECKING:
    from zoo.export.run_facts import RunFacts


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--export",
    "formats",
    type=words(*FILE_FORMATS, "tfjs"),
    metavar=",".join((*FILE_FORMATS, "tfjs")),
    default="tflite",
    show_default=True,
    help="Formats of the files to write, separated by commas; tfjs is a folder for TensorFlow.js, Teachable Machine's "
    "libraries and ml5.",
)
@export_options
@click.option(
    "--input-size",
    type=int_list,
    metavar="N,...",
    help="Sizes of the axes that MODEL leaves open, e.g. 224, or 240,320 for a height of 240 and a width of 320.",
)
def export(model: Path, formats: tuple[str, ...], **choices: Any) -> None:
    """Export MODEL, a .keras or .h5 file or a SavedModel folder, to .tflite, .onnx or TensorFlow.js.

    MODEL may be any classifier with one input, or a detector of the zoo. The file takes raw pixels, contains its
    labels and a card, and is kept only if it agrees with the Keras model and the target's runtime can load it. A
    MODEL in the folder of a run of `zoo train` has what the run knows: labels, resize policy, a detector's threshold,
    and which pictures it was trained on.
    """
    request = read_request(formats, **choices)
    import_tensorflow(pool=False, to_load=model)
    from zoo.export.lower.teachable import labels_of
    from zoo.export.run_facts import of_model
    from zoo.weights import load_model
    from zoo.weights.formats.savedmodel import name_of

    run = of_model(model)
    request = _with_facts(request, run)
    with status(f"loading {model.name}"):
        network = load_model(model)
    labels, said = labels_of(network, model) if request.labels is None else (None, "")
    request = replace(request, labels=labels or request.labels)
    stem = name_of(model) if model.is_dir() else model.stem
    export_files(network, stem, request, {"source": model.resolve().name, **(run.card if run else {})})
    for note in (*(run.notes if run else ()), said) if not request.as_json else ():
        if note:
            echo(f"note: {note}")


def _with_facts(request: ExportRequest, run: RunFacts | None) -> ExportRequest:
    """Returns a request with the labels and the resize policy of a run where the user gives none."""
    if run is None:
        return request
    resized = tuple(one.change(preprocessing=one.preprocessing or run.preprocessing) for one in request.options)
    labels = list(run.labels) if request.labels is None else request.labels
    return replace(request, options=resized, labels=labels)
