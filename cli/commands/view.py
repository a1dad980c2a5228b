"""`zoo view`."""

from __future__ import annotations

import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from zoo import models
from zoo.cli.options.model import given, model_options
from zoo.cli.output import echo, import_tensorflow
from zoo.summary.netron import find_netron
from zoo.summary.netron import view as serve
from zoo.system.signals import listening


@click.command()
@click.argument("target", metavar="FILE|MODEL")
@model_options
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of the local server.  [default: any free port]"
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@click.pass_context
def view(ctx: click.Context, target: str, port: int, no_browser: bool) -> None:
    """Show the graph of a FILE (.tflite, .onnx, .keras...), or of a MODEL of the zoo, in the browser.

    Netron draws the graph; its page is served to this machine only, until Ctrl-C or SIGTERM. A MODEL is shown without
    building its weights. Netron's page may ask for permission to report its use to its maker.
    """
    is_model = target in models.list_models() and not Path(target).is_file()
    options = given(ctx, target if is_model else None)
    if is_model:
        options = models.spec(target).check(options)
        find_netron()
        import_tensorflow()
    with serve(target, port=port, browse=not no_browser, **options) as url:
        echo(f"{target}: {url}  (Ctrl-C ends it)")
        try:
            with listening(_stop):
                threading.Event().wait()
        except KeyboardInterrupt:
            echo()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the wait: SIGTERM does what Ctrl-C does."""
    raise KeyboardInterrupt
