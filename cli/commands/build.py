"""`zoo build`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import models
from zoo.cli.exporting import export_files
from zoo.cli.options.export import FORMATS, ExportRequest, export_options, read_request
from zoo.cli.options.model import given, model_options, spec_of, weights_option
from zoo.cli.output import echo, import_tensorflow, require_memory, status
from zoo.cli.types import words
from zoo.errors import WeightsError, listed
from zoo.export.options import FILE_FORMATS
from zoo.files.places import base_name
from zoo.specs import AUTO, ModelSpec
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.progress import Progress
    from zoo.weights.auto import Choice


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
@click.option(
    "--new-head",
    is_flag=True,
    help="Write .tflite and .onnx files also where the weights have no head for these classes, so that it is random.",
)
@export_options
@click.pass_context
def build(
    ctx: click.Context, /, model: str, weights: str, formats: tuple[str, ...], new_head: bool, **choices: Any
) -> None:
    """Build MODEL and export it: one of `zoo list`, or keras:NAME for any classifier of keras.applications.

    The .tflite or .onnx file takes raw pixels, contains its labels and a card, and is kept only if it agrees with the
    Keras model. The same command gives the same file: --seed decides the random weights, and the card says which
    weights --weights auto has found.
    """
    spec = spec_of(model)
    options = given(ctx, model)
    request = read_request(formats, **choices)
    if request.labels is not None:
        options.setdefault("num_classes", len(request.labels))
    full = spec.check(options)
    import_tensorflow(pool=False)
    from zoo.export.run_facts import of_model
    from zoo.summary.table import outline
    from zoo.weights import build_from

    require_memory(4 * outline(model, **full).params, model)
    why = ""
    if weights == AUTO:
        with status(f"looking for weights of {model}") as progress:
            choice = _choose(model, options, request, whole=_names_things(formats) and not new_head, progress=progress)
        weights, why = choice.name, choice.why
        # Where none are published there was no choice, and what random weights are worth is said at the end.
        if spec.weights and not request.as_json:
            echo(f"note: {choice.sentence()}")
    with status(f"building {model}") as progress:
        built = build_from(model, weights, options, seed=request.seed, progress=progress)
    if built.new_head and _names_things(formats) and not new_head:
        raise WeightsError(_new_head(spec, weights, built.why_new, built.options["num_classes"]))
    if request.labels is None and built.labels:
        request = replace(request, labels=list(built.labels))
    facts: dict[str, Any] = {}
    known = None if built.new_head or weights in {"none", *models.models_by_weights()} else of_model(Path(weights))
    if known is not None:
        facts |= known.card
        request = replace(request, labels=list(known.labels) if request.labels is None else request.labels)
    facts |= {"architecture": model, "options": built.options, "weights_from": base_name(weights)}
    if why:
        facts["weights_why"] = why
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
        data, word = _data_of(spec)
        echo(
            f"note: the weights are RANDOM{f' ({why})' if why else ''}: the files run, but their answers mean nothing "
            f"yet. Train the model on {data} (zoo train {model} {word} --export tflite), or in Keras "
            f"(zoo.build, model.compile, model.fit) and pass the saved file with --weights; {_published(spec.task)}."
        )


def _names_things(formats: tuple[str, ...]) -> bool:
    """Whether there is a file among these formats that others run, to which a random head is of no use."""
    return not {*FILE_FORMATS, "tfjs"}.isdisjoint(formats)


def _choose(model: str, options: dict[str, Any], request: ExportRequest, *, whole: bool, progress: Progress) -> Choice:
    """Chooses weights with which all the files that are asked for can be written.

    Args:
        model: the name of the model.
        options: the options that the user gave.
        request: the files to write; integer modes of a trained model have to be calibrated on real pictures.
        whole: whether the head has to come with the weights.
        progress: is told how much of a download has come.
    """
    from zoo.weights.auto import Choice, choose

    modes = [one.quantize for one in request.options if one.mode.calibrated]
    if modes and request.calibration is None and models.spec(model).weights:
        return Choice(
            "none", f"with published ones {modes[0]} has to be calibrated on real pictures, --calibration PICTURES"
        )
    return choose(model, options, head=whole, progress=progress)


def _new_head(spec: ModelSpec, weights: str, why: str, classes: int) -> str:
    """Returns why no .tflite file is written with a head that knows nothing, and what to do."""
    training = f"zoo train {spec.name} {_data_of(spec)[1]} --weights {weights}"
    ways = [f"train the head ({training})", "keep it for training (--export keras)"]
    if weights not in models.models_by_weights():
        ways.insert(0, f"export the file as it is (zoo export {weights})")
    return (
        f"{weights}: {why}, so the head for {count_of(classes, 'class')} would be random and a "
        f".tflite file would name anything: "
        f"{', '.join(ways)}, or write it all the same (--new-head)"
    )


def _data_of(spec: ModelSpec) -> tuple[str, str]:
    """Returns what a model learns from, in words, and what stands for it in a command line."""
    from zoo.tasks import DEFAULT, TASKS, data_of

    return data_of(TASKS.get(spec.task, DEFAULT))


def _published(task: str) -> str:
    """Returns which models of a task have which weights: `mobilenet_v2 and vgg16 have --weights imagenet`."""
    return ", ".join(
        f"{listed(having)} {'have' if len(having) > 1 else 'has'} --weights {name}"
        for name, having in models.models_by_weights(task).items()
    )
