"""`zoo export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.exporting import export_files, export_options, read_request
from zoo.cli.output import import_tensorflow, status
from zoo.cli.types import int_list


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@export_options
@click.option(
    "--input-size",
    type=int_list,
    metavar="N,...",
    help="Sizes of the axes that MODEL leaves open, e.g. 224, or 240,320 for a height of 240 and a width of 320.",
)
def export(model: Path, **choices: Any) -> None:
    """Export MODEL, a .keras or .h5 file or a SavedModel folder, to .tflite.

    MODEL may be any classifier with one input, or a detector of the zoo. The file takes raw pixels, contains its
    labels and a card, and is kept only if it agrees with the Keras model and the target's runtime can load it.
    """
    request = read_request(("tflite",), **choices)
    import_tensorflow()
    from zoo.weights import load_model
    from zoo.weights.savedmodel import name_of

    with status(f"loading {model.name}"):
        network = load_model(model)
    stem = name_of(model) if model.is_dir() else model.stem
    export_files(network, stem, request, {"source": model.resolve().name})
