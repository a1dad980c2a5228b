"""Accepts connections. asyncio's own server does not count them by peer, nor those in their TLS handshake."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import itertools
import socket
import ssl
from collections.abc import Callable

from zoo.serve.answers import raw_refusal
from zoo.serve.http.connections import Connections
from zoo.serve.http.protocol import Protocol

BACKLOG = 256
"""Number of connections that the system holds until they are accepted."""
AT_ONCE = 16
"""Number of connections that are accepted in a row, while open ones wait."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
FULL = raw_refusal(503, "there are too many connections; try again", {"Retry-After": "1"})


class Listener:
    """The replacement of the `asyncio.Server` that Uvicorn uses."""

    def __init__(
        self,
        listener: socket.socket,
        connections: Connections,
        make: Callable[[str, str], Protocol],
        *,
        tls: ssl.SSLContext | None,
        handshake: float,
    ) -> None:
        """Starts to listen.

        Args:
            listener: a bound socket.
            connections: the table of open connections.
            make: makes a protocol from the client's address and the server's address.
            tls: the TLS context for https; None for http.
            handshake: the seconds that a TLS handshake may take.
        """
        listener.setblocking(False)
        listener.listen(BACKLOG)
        self._listener = listener
        self._connections = connections
        self._make = make
        self._tls = tls
        self._handshake = handshake
        self._loop = asyncio.get_running_loop()
        self._greetings: set[asyncio.Task[None]] = set()
        self._task = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Stops accepting, and ends connections that are still in their TLS handshake."""
        self._loop.remove_reader(self._listener.fileno())
        for task in (self._task, *self._greetings):
            task.cancel()

    async def wait_closed(self) -> None:
        """Waits until `close` is done."""
        await asyncio.gather(self._task, *self._greetings, return_exceptions=True)

    async def _accept(self) -> None:
        for number in itertools.count(1):
            if number % AT_ONCE == 0:
                # While clients keep connecting, accepting never lets other tasks run by itself.
                await asyncio.sleep(0)
            try:
                accepted, address = await self._loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._connections.make_room()
                await asyncio.sleep(0.05)  # after other errors, the client is already gone
                continue
            try:
                self._take(accepted, str(address[0]))
            except (OSError, MemoryError):
                accepted.close()

    def _take(self, accepted: socket.socket, address: str) -> None:
        protocol = self._make(address, str(accepted.getsockname()[0]))
        if not self._connections.admit(protocol):
            if self._tls is None:
                with contextlib.suppress(OSError):
                    accepted.send(FULL)
            accepted.close()
            return
        task = self._loop.create_task(self._greet(accepted, protocol))
        protocol.greeting = task
        self._greetings.add(task)
        task.add_done_callback(functools.partial(self._greeted, accepted, protocol))

    async def _greet(self, accepted: socket.socket, protocol: Protocol) -> None:
        with contextlib.suppress(OSError):  # TLS errors are OSErrors, too
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else self._handshake,
            )

    def _greeted(self, accepted: socket.socket, protocol: Protocol, task: asyncio.Task[None]) -> None:
        self._greetings.discard(task)
        if not protocol.is_open:  # the handshake failed
            self._connections.remove(protocol)
            accepted.close()
