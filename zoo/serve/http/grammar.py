"""Parses and writes HTTP/1.1, with limits on how much work a client can cause."""

from __future__ import annotations

import math
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import FlowControl

HEAD_BYTES = 16_384
"""Largest size of a request's first line and headers, and of a piece that is parsed at a time, in bytes."""
CHUNKED_BYTES = 4096
"""Largest piece of a chunked body that is parsed at a time, in bytes."""
FREE_CHUNKS = 1000
"""Number of chunks of a body that may have any size; after them, all chunks together must have the mean size."""
CHUNK_BYTES = 64
"""Smallest mean size of the chunks of a body, in bytes: a small chunk costs the server as much as a large one."""


class BoundedConnection(h11.Connection):
    """An h11 connection that limits the work of each byte, and sends the head of an answer together with its body."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, HEAD_BYTES)
        self.refusal = (400, "this is no HTTP request")
        self._chunks = self._bytes = 0
        self._plain = False
        self._head: list[bytes] = []

    @property
    def piece(self) -> int | None:
        """The number of bytes to parse before other connections have their turn; None if any number is little work."""
        if self.their_state is not h11.SEND_BODY:
            # It is one byte more than the limit, because h11 does not count a head that is complete at once.
            return max(1, HEAD_BYTES + 1 - len(self.trailing_data[0]))
        return None if self._plain else CHUNKED_BYTES

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """See h11. The head of an answer waits for the next event, so that a small answer is one packet."""
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
            # Further chunks of a body that nobody needs are refused, because the request was already answered.
            mean = CHUNK_BYTES if self.our_state is not h11.DONE else math.inf
            if self._chunks > FREE_CHUNKS and self._bytes < mean * self._chunks:
                self.refusal = (400, "the body comes in chunks that are too small")
                raise h11.RemoteProtocolError("chunks that are too small")
        return event


class Flow(FlowControl):
    """Uvicorn's flow control with one more reason not to read: received bytes that are not parsed yet."""

    behind = False

    def parse_first(self) -> None:
        """Stops reading until `go_on` is called."""
        self.behind = True
        self._transport.pause_reading()

    def go_on(self) -> None:
        """Resumes reading, unless Uvicorn has a reason not to."""
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
