"""`zoo run`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from zoo.errors import InputError
from zoo.quiet import quiet


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
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a picture.")
def run(file: Path, photos: tuple[Path, ...], top_k: int, runtime: str, threads: int | None, as_json: bool) -> int:
    """Say what is in PHOTOS, with the model in FILE.

    Everything it needs stands in the file: size, channels, labels. A picture that cannot be read is reported;
    the others are still named, and the exit code is 1.
    """
    # Nothing but the runner is imported here: this command has to start fast on a board.
    from zoo.runner import Classifier

    with quiet():
        classifier = Classifier(file, runtime=runtime, threads=threads)  # type: ignore[arg-type]
    failed = 0
    for photo in photos:
        try:
            predictions = classifier.classify(photo, top_k)
        except InputError as error:
            failed += 1
            click.echo(f"zoo: error: {error}", err=True)
            continue
        if as_json:
            found = [dataclasses.asdict(prediction) for prediction in predictions]
            click.echo(json.dumps({"file": str(photo), "predictions": found}, ensure_ascii=False))
            continue
        click.echo(photo)
        for prediction in predictions:
            click.echo(f"  {prediction.score:7.2%}  {prediction.label}")
    if not as_json and classifier.card.get("weights") in {"random", "none"}:
        click.echo("note: this file's weights are random; its answers mean nothing", err=True)
    return 1 if failed else 0
