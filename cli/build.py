"""`zoo build`."""

from __future__ import annotations

from typing import Any

import click

from zoo import models
from zoo.cli.exporting import FORMATS, export_files, export_options, read_request
from zoo.cli.model_options import given, model_options, weights_option
from zoo.cli.output import downloading, echo, import_tensorflow, require_memory, status
from zoo.cli.types import words
from zoo.files import base_name


@click.command()
@click.argument("model")
@model_options
@weights_option
@click.option(
    "--export",
    "formats",
    type=words(*FORMATS),
    metavar=",".join(FORMATS),
    default="tflite",
    show_default=True,
    help="Formats of the files to write, separated by commas.",
)
@export_options
@click.pass_context
def build(ctx: click.Context, /, model: str, weights: str, formats: tuple[str, ...], **choices: Any) -> None:
    """Build MODEL and export it.

    The .tflite file takes raw pixels, contains its labels and a card, and is kept only if it agrees with the Keras
    model. The same command gives the same file: --seed decides the random weights.
    """
    spec = models.spec(model)
    options = given(ctx, model)
    request = read_request(formats, **choices)
    if request.labels is not None:
        options.setdefault("num_classes", len(request.labels))
    full = spec.check(options)
    import_tensorflow()
    from zoo.summary.table import outline
    from zoo.weights import build_from

    require_memory(4 * outline(model, **full).params, model)
    with status(f"building {model}") as say:
        built = build_from(model, weights, options, seed=request.seed, progress=downloading(say))
    facts: dict[str, Any] = {"architecture": model, "options": built.options, "weights_from": base_name(weights)}
    if built.new_head:
        facts["head"] = "random"
    if built.new_head or weights == "none":
        facts["seed"] = request.seed
    network = built.model
    export_files(network, network.name, request, facts)
    if request.as_json:
        return
    for note in (*spec.notes(built.options), *built.notes):
        echo(f"note: {note}")
    if weights == "none":
        echo(
            "note: the weights are RANDOM: the files run, but their answers mean nothing yet. Train the model in Keras "
            f"(zoo.build, model.compile, model.fit) and pass the saved file with --weights; {_published()}."
        )


def _published() -> str:
    """Returns which models have published weights, in words: `mobilenet_v2 and vgg16 have --weights imagenet`."""
    return ", ".join(
        f"{' and '.join(having)} {'have' if len(having) > 1 else 'has'} --weights {name}"
        for name, having in models.models_by_weights().items()
    )
