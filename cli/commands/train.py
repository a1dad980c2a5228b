"""`zoo train`."""

from __future__ import annotations

import contextlib
import functools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zoo import models
from zoo.cli.options.model import given, model_options, weights_option
from zoo.cli.options.quantize import quantization, quantize_aware_options
from zoo.cli.options.recipe import recipe_options
from zoo.cli.options.run_files import finish, require_exportable, run_export_options, wanted_files
from zoo.cli.output import echo, import_tensorflow
from zoo.cli.printing import before_the_first_step, printing
from zoo.cli.types import PATH
from zoo.system.quiet import quiet

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("model", required=False)
@click.argument("data", type=PATH, required=False)
@model_options
@weights_option
@click.option("--recipe", type=PATH, help="TOML file with values of the recipe; options override it.")
@recipe_options
@click.option(
    "--out",
    type=PATH,
    help="Folder of the run.  [default: runs/MODEL-DATA, or beside the run of --from]",
)
@click.option(
    "--resume",
    type=PATH,
    metavar="RUN_DIR",
    help="Continue the run in this folder from its last checkpoint.",
)
@click.option(
    "--from",
    "begin_from",
    type=PATH,
    metavar="RUN_DIR",
    help="Train the best model of this run further, as a new run: with its model, its recipe and its data, unless DATA "
    "or options say otherwise. --epochs 20 is twenty epochs more.",
)
@quantize_aware_options
@click.option(
    "--strategy",
    type=click.Choice(["one", "mirrored", "multiworker"]),
    help="Train on one device, on all GPUs of this machine, or on several machines.  [default: one]",
)
@click.option(
    "--workers",
    metavar="HOST:PORT,...",
    help="Addresses of all workers of a multiworker training.  [default: from TF_CONFIG]",
)
@click.option(
    "--index",
    type=int,
    help="Position of this worker in --workers, from 0; worker 0 writes the run's folder.  [default: from TF_CONFIG]",
)
@click.option(
    "--secret-file",
    type=PATH,
    metavar="FILE",
    help="File with the secret that all workers share; workers on several machines need one.  "
    "[default: the variable EDGEZOO_SECRET]",
)
@click.option(
    "--teacher",
    type=PATH,
    metavar="FILE",
    help="Keras file of a trained model of the same classes, whose answers are learned as well as the labels; "
    "--teacher-weight and --temperature say how.",
)
@run_export_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and the progress on stderr.")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    model: str | None,
    data: Path | None,
    weights: str,
    recipe: Path | None,
    out: Path | None,
    resume: Path | None,
    begin_from: Path | None,
    teacher: Path | None,
    quantize_aware: bool,
    weight_bits: str | None,
    per_tensor: bool,
    strategy: str | None,
    workers: str | None,
    index: int | None,
    secret_file: Path | None,
    export: tuple[str, ...] | None,
    quantize: tuple[str, ...] | None,
    target: str | None,
    min_agreement: float | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Train MODEL on DATA: class folders, train and val folders, or a CSV file of path,label.

    A detector (`zoo list` shows each model's task) learns from labelled boxes: COCO JSON, Pascal VOC XML, YOLO text
    files or CSV.

    Values that you do not give come from the model's own recipe. The run's folder receives the best model, its
    metrics and plots, and checkpoints: Ctrl-C stops after the current step, and --resume continues from the last
    checkpoint, even if the process was killed. --from trains a finished run further.
    """
    if resume is not None:
        _require_nothing_else(ctx, resume, values["epochs"])
    elif begin_from is not None:
        data = _data_to_go_on_with(ctx, begin_from, model, data)
    elif model is None or data is None:
        raise click.UsageError("give MODEL and DATA, or --resume RUN_DIR, or --from RUN_DIR")
    else:
        models.spec(model).check(given(ctx, model))
    for_int8 = quantization(
        begin_from=begin_from, strategy=strategy, workers=workers, quantize_aware=quantize_aware,
        weight_bits=weight_bits, per_tensor=per_tensor,
    )  # fmt: skip
    wanted = wanted_files(export, quantize, target=target, min_agreement=min_agreement)
    from zoo.training.distillation.teacher import require_teacher
    from zoo.training.recipe import read_recipe

    if for_int8 is None:  # which has a teacher anyway
        require_teacher(teacher, values)
    shared = {} if recipe is None else read_recipe(recipe)
    typed = {name: value for name, value in values.items() if value is not None}
    from zoo import training
    from zoo.training.needs import require_begun

    if resume is None:
        alone = workers is None and strategy != "multiworker"
        place = out if alone else None
        require_begun(None if begin_from else model, data, out=place, weights=weights, recipe=shared | typed)
    addresses = None if workers is None else tuple(word.strip() for word in workers.split(","))
    meeting: dict[str, Any] = {"workers": addresses, "index": index, "secret_file": secret_file}
    asked = strategy
    if strategy is None:
        strategy = "one" if resume is None else training.strategy_of(resume) if workers is None else "multiworker"
    several = strategy == "multiworker"
    import_tensorflow(start=not several)
    # TensorFlow logs at length when another worker is lost; the error says it in a line.
    check = functools.partial(require_exportable, wanted)
    hushed = quiet() if several else contextlib.nullcontext()
    with before_the_first_step(), printing(as_json, detached=several) as watch, hushed:
        common: dict[str, Any] = {"strategy": strategy, **meeting, "watch": watch, "progress": watch, "check": check}
        if resume is not None:
            result = training.resume(resume, **common | {"strategy": asked})
        elif for_int8 is not None and begin_from is not None:
            common = {"watch": watch, "progress": watch, "check": check, "out": out, "recipe": shared}
            result = training.train_quantized(begin_from, data, teacher=teacher, **common, **for_int8, **typed)
        elif begin_from is not None:
            result = training.train_from(begin_from, data, out=out, recipe=shared, teacher=teacher, **common, **typed)
        else:
            assert model is not None  # noqa: S101  # checked above
            assert data is not None  # noqa: S101
            common |= {"out": out, "weights": weights, "recipe": shared, "teacher": teacher}
            result = training.train(model, data, **common, **given(ctx, model), **typed)
    if not result.chief:
        echo(f"done; worker 0 has {result.folder}")
        return
    finish(result, wanted, as_json=as_json, told=() if resume is None else _told_at_the_beginning(resume))


def _told_at_the_beginning(run: Path) -> tuple[str, ...]:
    """Returns what was said of a run's weights when it was begun."""
    from zoo.training.records.folder import read_run

    return (str(read_run(run)["model"].get("about_weights")),)


def _require_nothing_else(ctx: click.Context, resume: Path, epochs: int | None) -> None:
    """Refuses whatever --resume would leave aside without a word.

    Raises:
        click.UsageError: something else was given, too; a finished run is trained further by --from.
    """
    kept = {
        "resume",
        "strategy",
        "workers",
        "index",
        "secret_file",
        "export",
        "quantize",
        "target",
        "min_agreement",
        "as_json",
    }
    asked = [
        param.opts[-1] if isinstance(param, click.Option) else str(param.name).upper()
        for param in ctx.command.params
        if param.name and param.name not in kept and _is_given(ctx, param.name)
    ]
    if asked:
        more = f"--epochs {epochs}" if epochs else "--epochs N"
        raise click.UsageError(
            f"--resume takes all from its folder; leave {', '.join(asked)} out. For more epochs of a finished run: zoo "
            f"train --from {shlex.quote(str(resume))} {more}, which begins a new run with --weights "
            f"{shlex.quote(str(resume / 'model.keras'))} and the same recipe and data"
        )


def _data_to_go_on_with(ctx: click.Context, run: Path, model: str | None, data: Path | None) -> Path | None:
    """Returns the data that --from is to train on; None for those of the run.

    Raises:
        click.UsageError: another model than the run's, weights or options of a model were given.
    """
    asked = [f"--{name.replace('_', '-')}" for name in given(ctx, None)] + ["--weights"] * _is_given(ctx, "weights")
    if asked:
        raise click.UsageError(f"--from takes the model and its weights from {run}; leave {', '.join(asked)} out")
    if data is None:  # what stands alone is DATA
        return None if model is None else Path(model)
    from zoo.training.records.folder import read_run

    own = read_run(run)["model"]["name"]
    if model != own:
        raise click.UsageError(f"--from trains the model of {run}, {own}, not {model}; leave MODEL out")
    return data


def _is_given(ctx: click.Context, name: str) -> bool:
    return name in given(ctx, None) or ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
