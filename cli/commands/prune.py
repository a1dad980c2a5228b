"""`zoo prune`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import echo, import_tensorflow, json_option, print_json, print_table, status
from zoo.cli.places import require_elsewhere
from zoo.cli.types import PATH
from zoo.errors import OptionError
from zoo.files.writing import atomic, require_writable

if TYPE_CHECKING:
    from zoo.compress.prune.pruning import Pruned

SCORES = ("taylor", "gamma")


@click.command()
@click.argument("model", type=PATH)
@click.argument("data", type=PATH, required=False)
@click.option(
    "--keep",
    type=click.FloatRange(0, 1, min_open=True),
    required=True,
    help="Share of the multiply-accumulates (MACs) to keep, such as 0.5.",
)
@click.option(
    "--score",
    type=click.Choice(SCORES),
    help="How channels are scored: taylor by how much the loss on pictures depends on each, gamma by the scales of "
    "batch normalization.  [default: taylor; without pictures gamma]",
)
@click.option("--finetune", is_flag=True, help="Train the pruned model by the recipe of its run, with half its epochs.")
@click.option("--epochs", type=click.IntRange(min=1), help="Largest number of epochs of --finetune.  [default: half]")
@click.option(
    "--out",
    type=PATH,
    help="Folder of the new run, or without --finetune for a file the pruned .keras file.  [default: beside MODEL]",
)
@json_option
def prune(
    model: Path,
    data: Path | None,
    keep: float,
    score: Any,
    finetune: bool,
    epochs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Remove the channels of MODEL that matter least, so that an ordinary smaller Keras model is left.

    MODEL is the folder of a run or a .keras file, a classifier or a detector. The channels are scored on DATA, by
    default the training files of the run. The result of a run, and of --finetune, is a new run, which zoo train --from
    trains further; that of a file is a file.
    """
    if epochs is not None and not finetune:
        raise click.UsageError("--epochs is for --finetune; give that, too")
    if model.is_dir() or finetune:
        if out is not None and out.suffix == ".keras":
            raise OptionError(f"--out {out} is to be the folder of a run; give a name that does not end in .keras")
        _prune_run(model, data, keep, score or "taylor", finetune=finetune, epochs=epochs, out=out, as_json=as_json)
    else:
        _prune_file(model, data, keep, score, out, as_json=as_json)


def _prune_run(
    model: Path,
    data: Path | None,
    keep: float,
    score: Any,
    *,
    finetune: bool,
    epochs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    from zoo.cli.options.run_files import Wanted, finish
    from zoo.cli.printing import printing

    import_tensorflow()
    from zoo.training.pruned import prune_run

    with printing(as_json) as watch:
        result, pruned = prune_run(
            model, keep, data, out=out, score=score, finetune=finetune, epochs=epochs, watch=watch, progress=watch
        )
    if not as_json:
        _print(pruned)
    finish(result, Wanted(), as_json=as_json, facts={"pruned": _facts(pruned)})


def _prune_file(model: Path, data: Path | None, keep: float, score: Any, out: Path | None, *, as_json: bool) -> None:
    if score == "taylor" and data is None:
        raise click.UsageError("--score taylor tries the channels on pictures; name their folder behind MODEL, too")
    target = out or model.with_name(f"{model.stem}_keep{100 * keep:.3g}.keras")
    if target.suffix != ".keras":
        raise OptionError(f"--out {target} does not end in .keras; name the pruned model so")
    require_elsewhere("--out", target, [model], is_folder=False)
    require_writable(target.parent)
    import_tensorflow(to_load=model)
    from zoo.training.pruned import prune_model
    from zoo.weights import load_model

    with status(f"loading {model.name}") as progress:
        network = load_model(model)
        pruned = prune_model(network, keep, data, score=score, progress=progress)
        with atomic(target) as scratch:
            pruned.model.save(scratch)
    if as_json:
        print_json({"file": str(target), **_facts(pruned)})
        return
    _print(pruned)
    echo(str(target))
    if data is None:
        echo("note: nothing was measured on pictures: give some, for a better choice of channels and right statistics")
    pictures = "DATA" if data is None else shlex.quote(str(data))
    echo(f"Next: zoo prune {shlex.quote(str(model))} {pictures} --keep {keep:g} --finetune")


def _facts(pruned: Pruned) -> dict[str, Any]:
    """Returns what was pruned as JSON can hold it."""
    return {
        "keep": pruned.keep,
        "score": pruned.score,
        "macs": dict(zip(("before", "after"), pruned.macs, strict=True)),
        "params": dict(zip(("before", "after"), pruned.params, strict=True)),
        "widths": [vars(width) for width in pruned.widths],
    }


def _print(pruned: Pruned) -> None:
    from zoo.training.pruned import describe

    rows: Sequence[tuple[str, ...]] = [
        (width.layer, str(width.before), str(width.after), f"{width.after / width.before:.0%}")
        for width in pruned.widths
    ]
    echo()
    print_table(("channels made by", "before", "after", "kept"), rows)
    echo("", describe(pruned))
