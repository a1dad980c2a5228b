"""`zoo build`."""

from __future__ import annotations

from typing import Any

import click

from zoo import models
from zoo.cli.exporting import FORMATS, check_early, export_files, export_options
from zoo.cli.model_options import given, model_options
from zoo.cli.output import import_tensorflow, require_memory, status
from zoo.cli.types import words


@click.command()
@click.argument("model")
@model_options
@click.option(
    "--weights", default="none", show_default=True, help="none (random), or a .weights.h5, .keras or .h5 file."
)
@click.option(
    "--export",
    "formats",
    type=words(*FORMATS),
    metavar=",".join(FORMATS),
    default="tflite",
    show_default=True,
    help="Files to write.",
)
@export_options
@click.pass_context
def build(ctx: click.Context, /, model: str, weights: str, formats: tuple[str, ...], **choices: Any) -> None:
    """Build MODEL and export it.

    The .tflite file takes raw pixels, carries its labels and a card, and is checked against the Keras model
    before it is kept.
    """
    spec = models.spec(model)
    options = given(ctx)
    labels = check_early(choices)
    if labels is not None:
        options.setdefault("num_classes", len(labels))
    options = spec.check(options)
    import_tensorflow()
    from zoo.summary import outline
    from zoo.weights import load_weights

    require_memory(4 * outline(model, **options).params, model)
    with status(f"building {model}"):
        network = models.build(model, **options)
        if weights != "none":
            load_weights(network, weights)
    facts = {"architecture": model, "options": options, "weights_from": weights}
    export_files(network, network.name, formats, labels, facts, choices)
    if choices["as_json"]:
        return
    for note in spec.notes(options):
        click.echo(f"note: {note}")
    if weights == "none":
        click.echo(
            "note: the weights are RANDOM: the files run, but their answers mean nothing yet. Train the model in Keras "
            "(zoo.build, model.compile, model.fit) and pass the saved file with --weights."
        )
