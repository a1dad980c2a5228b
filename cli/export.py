"""`zoo export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.exporting import export_files, export_options, read_request
from zoo.cli.output import import_tensorflow, status


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@export_options
def export(model: Path, **choices: Any) -> None:
    """Export MODEL, a .keras or .h5 file, to .tflite.

    Any functional Keras classifier will do. The file takes raw pixels, carries its labels and a card, and is checked
    against the Keras model and against what the target's runtime can load, before it is kept.
    """
    request = read_request(("tflite",), **choices)
    import_tensorflow()
    from zoo.weights import load_model

    with status(f"loading {model.name}"):
        network = load_model(model)
    export_files(network, model.stem, request, {"source": model.name})
