"""`zoo serve`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from zoo.cli.options.runtime import min_score_option, open_predictor, runtime_options, warn_of_random_weights
from zoo.cli.output import echo
from zoo.cli.types import PATH
from zoo.machine.cores import usable_cores
from zoo.serve import Settings, collect, require_installed
from zoo.serve import serve as run

OF_A_MODEL = (
    *("workers", "min_score", "runtime", "threads", "delegate", "provider", "resize", "input_range", "labels"),
    "trusted",
)
"""The options that are for a model alone."""
LARGE = 32_000_000
"""Bytes of a file from which on a second interpreter, which holds the weights again, takes more memory than it is worth
unasked."""


@click.command()
@click.argument("file", type=PATH, required=False)
@click.option(
    "--collect",
    "folder",
    type=PATH,
    metavar="DIR",
    help="Folder to collect pictures into, a folder for each class, with a page that records them; no FILE is needed.",
)
@click.option(
    "--max-pictures",
    type=click.IntRange(1, 1_000_000),
    help="Largest number of pictures in the folder of --collect.  [default: 10000]",
)
@click.option(
    "--host", default=Settings.host, show_default=True, help="Address to listen at; 0.0.0.0 listens at all addresses."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=Settings.port,
    show_default=True,
    help="Port to listen at; 0 takes any free port.",
)
@click.option(
    "--token",
    envvar="EDGEZOO_TOKEN",
    help="Secret that clients must send with each request.  [default: the variable EDGEZOO_TOKEN]",
)
@click.option("--insecure", is_flag=True, help="Accept requests from other machines without a token.")
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="Additional name of this server, such as the one that visitors of a proxy see; can be given several times.",
)
@click.option("--tls-cert", type=PATH, help="PEM file with the certificate for HTTPS.")
@click.option(
    "--tls-key",
    type=PATH,
    help="PEM file with the certificate's private key.  [default: the certificate's file]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Number of interpreters that run at the same time.  [default: 2; 1 for a file above 32 MB, with an "
    "accelerator, or on a single core]",
)
@click.option(
    "--queue",
    type=click.IntRange(1, 1000),
    default=Settings.queue,
    show_default=True,
    help="Largest number of pictures in the server at a time; further ones are refused.",
)
@click.option(
    "--max-mb",
    type=click.FloatRange(0.01, 1000),
    default=Settings.max_bytes / 1e6,
    show_default=True,
    help="Largest size of a picture's file, in units of 1,000,000 bytes.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(0.01, 150),
    default=Settings.max_pixels / 1e6,
    show_default=True,
    help="Largest number of pixels of a picture, in millions.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    default=Settings.timeout,
    show_default=True,
    help="Seconds that the upload, the answer and its delivery may each take.",
)
@click.option(
    "--connections",
    type=click.IntRange(8, 10_000),
    default=Settings.connections,
    show_default=True,
    help="Largest number of connections open at a time.",
)
@click.option(
    "--peer-connections",
    type=click.IntRange(1, 10_000),
    help="Largest number of connections from one address.  [default: half of --connections]",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Address of a reverse proxy whose X-Forwarded-For and X-Forwarded-Host are trusted; can be given "
    "several times.",
)
@min_score_option
@runtime_options
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    file: Path | None,
    folder: Path | None,
    max_pictures: int | None,
    host: str,
    port: int,
    token: str | None,
    insecure: bool,
    allow_hosts: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    workers: int | None,
    queue: int,
    max_mb: float,
    max_megapixels: float,
    timeout: float,
    connections: int,
    peer_connections: int | None,
    trusted_proxies: tuple[str, ...],
    **options: Any,
) -> None:
    """Serve the model in FILE: a web page for pictures and the webcam, and an HTTP API.

    With --collect the page records pictures of the webcam for a training instead.

    Only this machine can connect, unless you give another --host, and a --token to keep strangers out. Ctrl-C or
    SIGTERM stops the server after the requests in progress are answered.
    """
    require_installed()
    if workers is not None and workers > queue:
        raise click.UsageError(
            f"--workers {workers} would wait for pictures: --queue {queue} lets fewer in at a time; give a --queue of "
            f"{workers} or more, or fewer workers"
        )
    settings = Settings(
        host=host,
        port=port,
        token=token,
        insecure=insecure,
        allow_hosts=allow_hosts,
        certificate=tls_cert,
        key=tls_key,
        queue=queue,
        max_bytes=round(max_mb * 1e6),
        max_pixels=round(max_megapixels * 1e6),
        timeout=timeout,
        connections=connections,
        peer_connections=peer_connections,
        trusted_proxies=trusted_proxies,
    )
    settings.check()
    if folder is not None or file is None:
        _collect(ctx, file, folder, settings, max_pictures)
        return
    if max_pictures is not None:
        raise click.UsageError("--max-pictures is for --collect DIR; give that, or leave it out")
    first = open_predictor(file, **options)
    count = workers or _interpreters(file, accelerated=bool(options["delegate"] or options["provider"]))
    predictors = [first, *(open_predictor(file, **options, again=True) for _ in range(count - 1))]
    warn_of_random_weights(first)

    def ready(url: str) -> None:
        echo(f"{file} on {first.session.runtime}: {url}  (Ctrl-C stops it)")

    run(predictors, settings, ready=ready)
    echo("stopped")


def _interpreters(file: Path, *, accelerated: bool) -> int:
    """Returns the number of interpreters that a file is served with unless told: two, if they help and are small.

    The second one computes while the thread of the first waits for its turn in Python, as `benchmarks/serve_load.py`
    shows.
    """
    return 1 if accelerated or usable_cores() == 1 or file.stat().st_size > LARGE else 2


def _collect(ctx: click.Context, file: Path | None, folder: Path | None, settings: Settings, most: int | None) -> None:
    """Serves the page that collects pictures; refuses what is for a model.

    Raises:
        UsageError: there is neither a file nor a folder, or both, or an option that needs a file.
    """
    if folder is None:
        raise click.UsageError("Missing argument 'FILE'; to collect pictures without one, give --collect DIR")
    if file is not None:
        raise click.UsageError(f"--collect {folder} needs no model; leave out {file}, or --collect")
    for name in OF_A_MODEL:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is for a model; leave it out with --collect")

    def ready(url: str) -> None:
        echo(f"pictures for {folder}: {url}  (Ctrl-C stops it)")

    collect(folder, settings, most=most, ready=ready)
    echo("stopped", f"Check them, and train: zoo data check {shlex.quote(str(folder))}")
