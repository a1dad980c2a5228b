"""`zoo train`."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from zoo import models
from zoo.cli.model_options import given, model_options, weights_option
from zoo.cli.output import echo, import_tensorflow
from zoo.cli.recipe_options import recipe_options
from zoo.cli.run_files import finish, require_exportable, run_export_options, wanted_files
from zoo.progress import amount
from zoo.quiet import quiet
from zoo.text import shown
from zoo.tflite.targets import Target


@click.command()
@click.argument("model", required=False)
@click.argument("data", type=click.Path(path_type=Path), required=False)
@model_options
@weights_option
@click.option(
    "--recipe", type=click.Path(path_type=Path), help="TOML file with values of the recipe; options override it."
)
@recipe_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/MODEL-DATA]")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN_DIR",
    help="Continue the run in this folder from its last checkpoint.",
)
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
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with the secret that all workers share; workers on several machines need one.  "
    "[default: the variable EDGEZOO_SECRET]",
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
    strategy: str | None,
    workers: str | None,
    index: int | None,
    secret_file: Path | None,
    export: str | None,
    quantize: tuple[str, ...] | None,
    target: Target | None,
    min_agreement: float | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Train MODEL on DATA: class folders, train and val folders, or a CSV file of path,label.

    Values that you do not give come from the model's own recipe. The run's folder receives the best model, its
    metrics and plots, and checkpoints: Ctrl-C stops after the current step, and --resume continues from the last
    checkpoint, even if the process was killed.
    """
    if resume is None and (model is None or data is None):
        raise click.UsageError("give MODEL and DATA, or --resume RUN_DIR")
    if resume is not None and (model is not None or recipe is not None or any(v is not None for v in values.values())):
        raise click.UsageError("--resume takes all from its folder; leave MODEL, DATA and the recipe out")
    if model is not None:
        models.spec(model).check(given(ctx))
    wanted = wanted_files(export, quantize, target=target, min_agreement=min_agreement)
    from zoo.training.recipe import read_recipe

    changes = {} if recipe is None else read_recipe(recipe)
    changes |= {name: value for name, value in values.items() if value is not None}
    from zoo import training

    addresses = None if workers is None else tuple(word.strip() for word in workers.split(","))
    meeting: dict[str, Any] = {"workers": addresses, "index": index, "secret_file": secret_file}
    if strategy is None:
        strategy = "one" if resume is None else training.strategy_of(resume) if workers is None else "multiworker"
    several = strategy == "multiworker"
    import_tensorflow(start=not several)
    # TensorFlow logs at length when another worker is lost; the error says it in a line.
    check = functools.partial(require_exportable, wanted)
    with _watch(as_json, detached=several) as watch, quiet() if several else contextlib.nullcontext():
        if resume is not None:
            result = training.resume(resume, strategy=strategy, **meeting, watch=watch, progress=watch, check=check)
        else:
            assert model is not None  # noqa: S101  # checked above
            assert data is not None  # noqa: S101
            result = training.train(
                model,
                data,
                out=out,
                weights=weights,
                recipe=changes,
                strategy=strategy,
                **meeting,
                watch=watch,
                progress=watch,
                check=check,
                **given(ctx),
            )
    if not result.chief:
        echo(f"done; worker 0 has {result.folder}")
        return
    finish(result, wanted, as_json=as_json)


@contextlib.contextmanager
def _watch(silent: bool, *, detached: bool) -> Iterator[_Printer]:
    """Yields a printer of one line per epoch, with a progress bar on a terminal.

    With `detached` it keeps printing while the standard streams are silenced.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    stream = sys.stderr if silent else sys.stdout
    own = detached or stream.isatty()
    # A copy of the terminal's descriptor: native chatter is swallowed elsewhere.
    with os.fdopen(os.dup(stream.fileno()), "w") if own else contextlib.nullcontext(stream) as terminal:
        console = Console(file=terminal, force_terminal=stream.isatty(), markup=False, emoji=False, highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        progress = Progress(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not stream.isatty(),
        )
        with progress:
            yield _Printer(progress, console.print if stream.isatty() else _plain(terminal))


def _plain(stream: Any) -> Callable[[str], None]:
    """Returns a function that prints a line without folding it to a width."""
    return lambda text: print(text, file=stream, flush=True)


class _Printer:
    """Prints the progress of a training."""

    def __init__(self, progress: Any, line: Callable[[str], None]) -> None:
        self._progress, self._write = progress, line
        self._task = progress.add_task("", visible=False)

    def _line(self, text: str) -> None:
        self._write(shown(text))

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Shows a step, on a terminal only."""
        counted = bool(total) and not unit
        if not counted:
            text = " ".join(filter(None, (text, amount(done, total, unit))))
        size = total if counted else None
        self._progress.update(self._task, description=shown(text), completed=done, total=size, visible=True)

    def batch(self, stage: Any, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Moves the progress bar."""
        self.step(f"epoch {epoch} ({stage.name}), loss {loss:.4f}", batch, batches)

    def epoch(self, row: dict[str, Any]) -> None:
        """Prints the metrics of an epoch in one line."""
        self._progress.reset(self._task, visible=False)
        from zoo.training.watch import describe_row

        self._line(describe_row(row))

    def note(self, text: str) -> None:
        """Prints a note in one line."""
        self._line(f"note: {text}")
