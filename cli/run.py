"""`zoo run`."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.quiet import quiet
from zoo.specs import RESIZES, Preprocessing

if TYPE_CHECKING:
    from zoo.runner import Result


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("photos", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--top-k", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to show.")
@click.option(
    "--runtime",
    type=click.Choice(["auto", "litert", "tflite-runtime", "tensorflow"]),
    default="auto",
    show_default=True,
    help="What runs the file.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the runtime.  [default: cores, at most 4]")
@click.option("--resize", type=click.Choice(RESIZES), help="How pictures come to size.  [default: as the file says]")
@click.option("--strict", is_flag=True, help="Stop at the first picture that cannot be read.")
@click.option("--json", "form", flag_value="json", help="Print JSON, one line a picture.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV, one line a class.")
def run(
    file: Path,
    photos: tuple[Path, ...],
    top_k: int,
    runtime: Any,
    threads: int | None,
    resize: Any,
    strict: bool,
    form: str | None,
) -> int:
    """Say what is in PHOTOS, with the model in FILE.

    Everything it needs stands in the file: size, channels, labels. PHOTOS are files, folders, patterns, or - for
    standard input; for a model of sensor values, .npy or .csv files. Results are printed as they come. A picture
    that cannot be read is reported, the others are still named, and the exit code is 1.
    """
    # Nothing but the runner is imported here: this command has to start fast on a board.
    from zoo.runner import Classifier, find_pictures, values

    with quiet():
        classifier = Classifier(
            file, runtime=runtime, threads=threads, preprocessing=Preprocessing(resize) if resize else None
        )
    failed = 0
    suffixes = None if classifier.takes_pictures else values.SUFFIXES
    with _printer(form) as show, _counter() as advance:
        for result in classifier.classify_many(map(_source, find_pictures(photos, suffixes)), top_k):
            advance()
            if result.error is None:
                show(result)
            elif strict:
                raise result.error
            else:
                failed += 1
                click.echo(f"zoo: error: {result.error}", err=True)
    if form is None and classifier.card.get("weights") == "random":
        click.echo("note: this file's weights are random; its answers mean nothing", err=True)
    return 1 if failed else 0


def _source(path: Path) -> Any:
    if path != Path("-"):
        return path
    stream = io.BytesIO(sys.stdin.buffer.read())
    stream.name = "standard input"
    return stream


@contextlib.contextmanager
def _printer(form: str | None) -> Iterator[Callable[[Result], None]]:
    """How results are printed; each is flushed, so that an interrupt loses none."""
    writer = csv.writer(sys.stdout, lineterminator="\n")

    def name(result: Result) -> str:
        return str(getattr(result.source, "name", "-") if isinstance(result.source, io.BytesIO) else result.source)

    def show_json(result: Result) -> None:
        found = [dataclasses.asdict(prediction) for prediction in result.predictions]
        click.echo(json.dumps({"file": name(result), "predictions": found}, ensure_ascii=False))

    def show_csv(result: Result) -> None:
        for rank, found in enumerate(result.predictions, start=1):
            writer.writerow([name(result), rank, found.label, found.index, f"{found.score:.6g}"])
        sys.stdout.flush()

    def show_text(result: Result) -> None:
        lines = [f"  {found.score:7.2%}  {found.label}" for found in result.predictions]
        click.echo("\n".join([name(result), *lines]))

    if form == "csv":
        writer.writerow(["file", "rank", "label", "index", "score"])
    yield {"json": show_json, "csv": show_csv}.get(form or "", show_text)


@contextlib.contextmanager
def _counter() -> Iterator[Callable[[], None]]:
    """A count of pictures on the terminal, where the results themselves go elsewhere."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed} pictures, {task.speed} a second"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield lambda: progress.advance(task)
