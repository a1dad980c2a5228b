"""Listens, answers, and stops when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from zoo.errors import InputError
from zoo.runner import Classifier
from zoo.serve.api import Api
from zoo.serve.app import create_app
from zoo.serve.settings import Settings
from zoo.serve.workers import Pool
from zoo.signals import listening

CONNECTIONS = 256
"""At a time, pictures or not; one more gets 503."""
HEADER_SECONDS = 10
"""How long a new connection may take to ask for something."""


def run(classifiers: Sequence[Classifier], settings: Settings, ready: Callable[[str], object] | None) -> None:
    """See `zoo.serve.serve`."""
    session = classifiers[0].session
    if not classifiers[0].takes_pictures:
        raise InputError(f"{session.path} does not take pictures: its input has shape {session.input.shape}")
    listener = settings.bind()
    pool = Pool(classifiers, settings.max_pixels)
    server = Server(configuration(Api(pool, settings)))
    try:
        url = settings.url(listener.getsockname()[1])
        server.on_start = lambda: ready(url) if ready else None
        # A second SIGINT does not wait for those who are being answered.
        with listening(server.handle_exit), warnings.catch_warnings():
            # Pillow's of odd pictures: anybody could fill the log with them.
            warnings.filterwarnings("ignore", module="PIL")
            server.run(sockets=[listener])
    finally:
        listener.close()
        pool.close()


def configuration(api: Api) -> uvicorn.Config:
    """How Uvicorn is to behave: quietly, in one process, with limits on connections and time."""
    settings = api.settings
    return uvicorn.Config(
        create_app(api),
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(settings.timeout)),
        ssl_certfile=None if settings.certificate is None else str(settings.certificate),
        ssl_keyfile=None if settings.key is None else str(settings.key),
    )


class Server(uvicorn.Server):
    """One that says when it listens, and leaves signals to us: Uvicorn itself ends by the signal, not with code 0."""

    on_start: Callable[[], object] | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Listens."""
        await super().startup(sockets)
        if self.on_start is not None:
            self.on_start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing."""
        yield


class Protocol(H11Protocol):
    """HTTP/1.1 that hangs up on those who connect and ask for nothing."""

    def connection_made(self, transport: Any) -> None:
        """Starts the clock."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(HEADER_SECONDS, self._hang_up_if_silent)

    def _hang_up_if_silent(self) -> None:
        if getattr(self, "cycle", None) is None:
            self.transport.close()
