"""`zoo web`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.options.runtime import (
    min_score_option,
    open_predictor,
    reading_options,
    warn_of_random_weights,
)
from zoo.cli.output import echo, megabytes, status
from zoo.cli.types import PATH
from zoo.errors import OutputError


@click.command()
@click.argument("file", type=PATH)
@click.option(
    "--out",
    type=PATH,
    help="Page to write, NAME.html, which holds all it needs; or folder to write a site to, which works without a "
    "network after the first visit.  [default: FILE's name with .html]",
)
@click.option(
    "--runtime",
    "package",
    type=PATH,
    metavar="TARBALL|DIR",
    help="Package @litertjs/core of npm, as npm packs it or unpacked, for machines without a network.  "
    "[default: fetched once and kept]",
)
@reading_options
@min_score_option
def web(file: Path, out: Path | None, package: Path | None, **options: Any) -> None:
    """Write a page that runs the model in FILE in the browser: pictures, webcam, bars or boxes.

    The page needs no server and asks no network; it works on a phone, too. It gives the scores that zoo run gives:
    those of int8 files to the last bit.
    """
    from zoo.web import is_one_file, require_tflite, write

    require_tflite(file)
    place = out if out is not None else Path(file.with_suffix(".html").name)
    if place.resolve() == file.resolve():
        raise OutputError(f"{place} is the model itself; give another place: --out")
    predictor = open_predictor(file, runtime="auto", threads=None, delegate=None, **options)
    warn_of_random_weights(predictor)
    with status("looking for the runtime") as progress:
        notes = write(predictor, place, runtime=package, progress=progress)
    for note in notes:
        echo(f"note: {note}", err=True)
    if is_one_file(place):
        echo(f"{place}: {megabytes(place.stat().st_size)}; open it in a browser, or send it to a phone")
    else:
        echo(f"{place}: publish the folder, or try it: python -m http.server --directory {place}")
