"""Runs the server until it is asked to stop."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp

from zoo.runner import Predictor
from zoo.serve.api import Api
from zoo.serve.app import create_app
from zoo.serve.collect.api import Collecting
from zoo.serve.collect.folder import Collection
from zoo.serve.http.connections import Connections
from zoo.serve.http.listener import Listener
from zoo.serve.http.log import bounded
from zoo.serve.http.peers import Peers, peer
from zoo.serve.http.protocol import Protocol as Connection
from zoo.serve.settings import Settings
from zoo.serve.workers import Pool
from zoo.system.signals import listening


def run(predictors: Sequence[Predictor[Any]], settings: Settings, ready: Callable[[str], object] | None) -> None:
    """See `zoo.serve.serve`."""
    predictors[0].picture  # noqa: B018  # raises where the file takes none
    listener = settings.bind()
    pool = Pool(predictors, settings.max_pixels)
    api = Api(pool, settings)
    try:
        _listen(api, create_app(api), listener, ready)
    finally:
        pool.close()


def collect(collection: Collection, settings: Settings, ready: Callable[[str], object] | None) -> None:
    """See `zoo.serve.collect`."""
    listener = settings.bind()
    collecting = Collecting(collection, settings)
    try:
        _listen(collecting, collecting.app(), listener, ready)
    finally:
        collecting.close()


class Host(Protocol):
    """What a server needs of that which answers, beside the application."""

    settings: Settings
    peers: Peers
    connections: Connections


def _listen(host: Host, app: ASGIApp, listener: socket.socket, ready: Callable[[str], object] | None) -> None:
    """Serves until a signal comes."""
    server = Server(Configuration(host, app))
    try:
        url = host.settings.url(listener.getsockname()[1])
        server.on_start = lambda: ready(url) if ready else None
        # A second SIGINT does not wait until the current requests are answered.
        with listening(server.handle_exit), warnings.catch_warnings():
            # Anybody could fill the log with Pillow's warnings about unusual pictures.
            warnings.filterwarnings("ignore", module="PIL")
            server.run(sockets=[listener])
    finally:
        listener.close()


class Configuration(uvicorn.Config):
    """The configuration of Uvicorn: quiet, in one process. The limits are those of `zoo.serve.http`."""

    def __init__(self, api: Host, app: ASGIApp) -> None:
        self.api = api
        settings = api.settings
        super().__init__(
            app,
            http=Connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.timeout)),
            ssl_certfile=None if settings.certificate is None else str(settings.certificate),
            ssl_keyfile=None if settings.key is None else str(settings.key),
        )

    def load(self) -> None:
        """See Uvicorn. A client may not start a second handshake, because it costs the server more than the client."""
        super().load()
        if self.ssl is not None:
            self.ssl.options |= ssl.OP_NO_RENEGOTIATION


class Server(uvicorn.Server):
    """A server that tells when it listens. It does not handle signals, as Uvicorn would not end with exit code 0."""

    config: Configuration
    on_start: Callable[[], object] | None = None

    async def serve(self, sockets: Any = None) -> None:
        """Serves until it is stopped."""
        with bounded():
            await super().serve(sockets)

    async def startup(self, sockets: Any = None) -> None:
        """Listens with our own `Listener`, because Uvicorn counts neither peers nor TLS handshakes."""
        await self.lifespan.startup()
        api, tls = self.config.api, self.config.ssl
        self.servers: list[Any] = [
            Listener(listener, api.connections, self._protocol, tls=tls, handshake=api.settings.header_timeout)
            for listener in sockets
        ]
        self.started = True
        if self.on_start is not None:
            self.on_start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing."""
        yield

    def _protocol(self, address: str, server: str) -> Connection:
        api = self.config.api
        return Connection(
            self.config,
            self.server_state,
            settings=api.settings,
            connections=api.connections,
            peer=peer(address, server),
            proxied=api.peers.is_proxy(address),
        )
