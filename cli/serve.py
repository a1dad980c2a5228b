"""`zoo serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.output import echo
from zoo.cli.runtime_options import open_classifier, runtime_options, warn_of_random_weights
from zoo.serve import Settings, require_installed
from zoo.serve import serve as run


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--host", default=Settings.host, show_default=True, help="Where to listen; 0.0.0.0: everywhere.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=Settings.port, show_default=True, help="0: any that is free."
)
@click.option("--token", envvar="EDGEZOO_TOKEN", help="What clients have to know.  [env: EDGEZOO_TOKEN]")
@click.option("--insecure", is_flag=True, help="Let other machines in without a token.")
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="A further name the server goes by.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM certificate, for https.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its PEM key.  [default: in the certificate's file]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Interpreters.")
@click.option(
    "--queue", type=click.IntRange(1, 1000), default=Settings.queue, show_default=True, help="Pictures held at a time."
)
@click.option(
    "--max-mb",
    type=click.FloatRange(0.01, 1000),
    default=Settings.max_bytes / 1e6,
    show_default=True,
    help="Of a picture's file.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(0.01, 150),
    default=Settings.max_pixels / 1e6,
    show_default=True,
    help="Of a picture.",
)
@click.option(
    "--timeout", type=click.FloatRange(0.1, 3600), default=Settings.timeout, show_default=True, help="Seconds."
)
@click.option(
    "--connections",
    type=click.IntRange(8, 10_000),
    default=Settings.connections,
    show_default=True,
    help="Open at a time.",
)
@click.option("--peer-connections", type=click.IntRange(1, 10_000), help="Of one address.  [default: half of all]")
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A reverse proxy whose X-Forwarded-For is believed.",
)
@runtime_options
def serve(
    file: Path,
    host: str,
    port: int,
    token: str | None,
    insecure: bool,
    allow_hosts: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    workers: int,
    queue: int,
    max_mb: float,
    max_megapixels: float,
    timeout: float,
    connections: int,
    peer_connections: int | None,
    trusted_proxies: tuple[str, ...],
    **options: Any,
) -> None:
    """Show what the model in FILE says: a page for pictures and the webcam, and an HTTP API.

    Only this machine is served, unless --host says otherwise and a --token keeps others out. Ctrl-C or SIGTERM stops
    it, when those who are being answered have their answer.
    """
    require_installed()
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
    first = open_classifier(file, **options)
    classifiers = [first, *(open_classifier(file, **options, again=True) for _ in range(workers - 1))]
    warn_of_random_weights(first)

    def ready(url: str) -> None:
        echo(f"{file} on {first.session.runtime}: {url}  (Ctrl-C stops it)")

    run(classifiers, settings, ready=ready)
    echo("stopped")
