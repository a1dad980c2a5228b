"""HTTP/1.1 with a time limit on everything for which the server waits for a client.

Uvicorn has a single time limit, between two requests, which ends with the first byte of the next one. Here a connection
is always in a `Phase`. A phase that depends on the client has a time limit, and slowly sent bytes do not extend it.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from zoo.serve.answers import raw_refusal
from zoo.serve.http.connections import Connections
from zoo.serve.http.grammar import BoundedConnection, Flow
from zoo.serve.settings import Settings

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState


class Phase(enum.Enum):
    """The phase of a connection, by what it waits for."""

    GREETING = enum.auto()
    """The TLS handshake, or the first request's head."""
    IDLE = enum.auto()
    """The next request."""
    HEAD = enum.auto()
    """The rest of a request's head."""
    ANSWER = enum.auto()
    """The server's answer, and a picture's body, which has its own limit in `zoo.serve.http.limits`."""
    REST = enum.auto()
    """The rest of a body that is not needed, because the request was already answered."""
    SENDING = enum.auto()
    """The client, which must read what it was sent."""
    CLOSING = enum.auto()
    """The client, which must read the last bytes."""


class Protocol(H11Protocol):
    """One connection, from the moment it is accepted."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        settings: Settings,
        connections: Connections,
        peer: str,
        proxied: bool,
    ) -> None:
        """Prepares the protocol for a connection that is not open yet.

        Args:
            config: the configuration of Uvicorn.
            server_state: the state of Uvicorn's server.
            settings: the settings of the server, for the time limits.
            connections: the table of open connections; this one is removed from it when it is lost.
            peer: the peer at the other end; see `zoo.serve.http.peers`.
            proxied: whether the connection comes from a trusted proxy.
        """
        super().__init__(config, server_state, {}, asyncio.get_running_loop())
        self.conn: BoundedConnection = BoundedConnection()
        self.peer = peer
        self.proxied = proxied
        self.since = self.loop.time()
        self.greeting: asyncio.Task[None] | None = None
        """The task that accepts the connection, including its TLS handshake."""
        self.is_open = False
        """Whether the connection was accepted."""
        self._connections = connections
        self.flow: Flow
        self._pending = b""
        self._phase = Phase.GREETING
        self._clock: asyncio.TimerHandle | None = None
        self._limits = {
            Phase.GREETING: settings.header_timeout,
            Phase.IDLE: settings.keep_alive,
            Phase.HEAD: settings.header_timeout,
            Phase.ANSWER: settings.timeout,
            Phase.REST: settings.timeout,
            Phase.SENDING: settings.timeout,
            Phase.CLOSING: settings.timeout,
        }

    @property
    def idle(self) -> bool:
        """Whether no request is being answered; see `zoo.serve.http.connections.Connection`."""
        return self._phase is not Phase.ANSWER

    def drop(self) -> None:
        """Ends the connection at once, even if something is still to be sent."""
        if self.is_open:
            self.transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()

    def connection_made(self, transport: Any) -> None:
        """Starts the clock."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self.is_open = True
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._stop_clock()
        self._phase = Phase.CLOSING
        self._connections.remove(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Takes received bytes; those of a later request wait until this one is answered."""
        self._pending += data
        if self.flow.behind:
            self.flow.parse_first()  # Uvicorn resumed reading without asking
        else:
            self._feed()

    def on_response_complete(self) -> None:
        """Continues with the bytes that the client sent meanwhile."""
        super().on_response_complete()
        self._feed()

    def pause_writing(self) -> None:
        """Waits for the client to read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Continues when the client has read enough."""
        super().resume_writing()
        self._watch()

    def shutdown(self) -> None:
        """Closes the connection when the current request is answered."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:  # the client is in the middle of something that is not HTTP
            self.transport.abort()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answers bytes that are not HTTP with an error of one line, if no answer has begun yet."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # Otherwise the handler would write to a closed connection, which Uvicorn logs as a bug.
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        self.transport.write(raw_refusal(*self.conn.refusal))
        self.transport.close()

    def _feed(self) -> None:
        """Parses a piece of this request's pending bytes; the next one follows after other connections' turns.

        The rest of a body whose length was said is parsed with its head: any number of bytes of it is little work, and
        to stop and resume reading is not.
        """
        if self.transport.is_closing():
            return
        while self._pending and self._takes_more():
            size = self.conn.piece or len(self._pending)
            piece, self._pending = self._pending[:size], self._pending[size:]
            super().data_received(piece)
            if self.conn.piece is not None:
                break
        if self._pending:
            self.flow.parse_first()
            if self._takes_more():
                self.loop.call_soon(self._feed)
        else:
            self.flow.go_on()
        self._watch()

    def _takes_more(self) -> bool:
        return self.conn.their_state in {h11.IDLE, h11.SEND_BODY} and not self.transport.is_closing()

    def _now_in(self) -> Phase:
        # It is None before the first request, although Uvicorn's annotation says otherwise.
        cycle: RequestResponseCycle | None = self.cycle
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.flow.write_paused:
            return Phase.SENDING
        if cycle is None:
            return Phase.GREETING
        return Phase.ANSWER if not cycle.response_complete else self._between_requests()

    def _between_requests(self) -> Phase:
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.REST
        if self.conn.trailing_data[0]:
            return Phase.HEAD
        return Phase.SENDING if self.transport.get_write_buffer_size() else Phase.IDLE

    def _watch(self) -> None:
        """Restarts the clock if the connection is in another phase than before."""
        phase = self._now_in()
        if phase is not self._phase:
            self._phase = phase
            self.since = self.loop.time()
            self._start_clock()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(self._limits[self._phase], self._time_is_up)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _time_is_up(self) -> None:
        if self._now_in() is not self._phase:
            self._watch()  # no callback tells that a short rest was read, or that Uvicorn closed after a bug
        elif self._phase is Phase.ANSWER:
            self._start_clock()  # handlers have limits of their own
        else:
            self.transport.abort()
