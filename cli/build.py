"""`zoo build`."""

from __future__ import annotations

from typing import Any

import click

from zoo import models
from zoo.cli.exporting import FORMATS, check_early, export_files, export_options
from zoo.cli.model_options import given, model_options
from zoo.cli.output import downloading, echo, import_tensorflow, require_memory, status
from zoo.cli.types import words
from zoo.files import base_name


@click.command()
@click.argument("model")
@model_options
@click.option(
    "--weights",
    default="none",
    show_default=True,
    metavar="none|imagenet|FILE",
    help="Random, Keras Applications' own of MobileNetV2 and VGG-16, or those of a .keras, .h5 or .weights.h5 file.",
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
    full = spec.check(options)
    import_tensorflow()
    from zoo.summary.table import outline
    from zoo.weights import build_from

    require_memory(4 * outline(model, **full).params, model)
    with status(f"building {model}") as say:
        built = build_from(model, weights, options, progress=downloading(say))
    facts: dict[str, Any] = {"architecture": model, "options": built.options, "weights_from": base_name(weights)}
    if built.new_head:
        facts["head"] = "random"
    network = built.model
    export_files(network, network.name, formats, labels, facts, choices)
    if choices["as_json"]:
        return
    for note in (*spec.notes(built.options), *built.notes):
        echo(f"note: {note}")
    if weights == "none":
        echo(
            "note: the weights are RANDOM: the files run, but their answers mean nothing yet. Train the model in Keras "
            "(zoo.build, model.compile, model.fit) and pass the saved file with --weights; MobileNetV2 and VGG-16 have "
            "--weights imagenet."
        )
