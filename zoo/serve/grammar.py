"""HTTP/1.1 as it is parsed and written here: with limits on how much work a client can make."""

from __future__ import annotations

import math
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import FlowControl

HEAD_BYTES = 16_384
"""Largest size of a request's line and headers, and of a piece that is parsed at once."""
CHUNKED_BYTES = 4096
"""Largest piece of a chunked body that is parsed at once."""
FREE_CHUNKS = 1000
"""Chunks of a body that may be of any size; further ones have to make up for it."""
CHUNK_BYTES = 64
"""Mean size of the chunks of a body at least: each costs the server as much as a large one."""


class BoundedConnection(h11.Connection):
    """HTTP's grammar, with a limit on how much work a byte may make, and an answer's head sent with its body."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, HEAD_BYTES)
        self.refusal = (400, "this is no HTTP request")
        self._chunks = self._bytes = 0
        self._plain = False
        self._head: list[bytes] = []

    @property
    def piece(self) -> int | None:
        """How much should be parsed before other connections have their turn; None: any amount is little work."""
        if self.their_state is not h11.SEND_BODY:
            # With one byte too many, as h11 does not count what is complete at once.
            return max(1, HEAD_BYTES + 1 - len(self.trailing_data[0]))
        return None if self._plain else CHUNKED_BYTES

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """See h11. The head waits for what comes next, so that a small answer is one packet."""
        sent = super().send_with_data_passthrough(event)
        if isinstance(event, h11.Response):
            self._head, sent = sent or [], []
        elif sent is not None:
            self._head, sent = [], [*self._head, *sent]
        return sent

    def next_event(self) -> Any:
        """See h11."""
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                self.refusal = (431, f"the head of the request has more than {HEAD_BYTES:,} bytes")
            raise
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
            self._plain = all(name != b"transfer-encoding" for name, _ in event.headers)
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            # Of a body that nobody needs there are no more: the request was answered already.
            mean = CHUNK_BYTES if self.our_state is not h11.DONE else math.inf
            if self._chunks > FREE_CHUNKS and self._bytes < mean * self._chunks:
                self.refusal = (400, "the body comes in chunks that are too small")
                raise h11.RemoteProtocolError("chunks that are too small")
        return event


class Flow(FlowControl):
    """Uvicorn's flow control, with one more reason to read nothing for now: what has come is not parsed yet."""

    behind = False

    def parse_first(self) -> None:
        """Reads nothing until `go_on`."""
        self.behind = True
        self._transport.pause_reading()

    def go_on(self) -> None:
        """Reads again, unless Uvicorn has a reason not to."""
        if self.behind:
            self.behind = False
            if not self.read_paused:
                self._transport.resume_reading()

    def resume_reading(self) -> None:
        """See Uvicorn."""
        if self.behind:
            self.read_paused = False
        else:
            super().resume_reading()
