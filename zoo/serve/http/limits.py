"""Limits of the work that the server accepts: the number of pictures at a time, their size, and their time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from zoo.text import count_of

Value = TypeVar("Value")

PATIENCE = 3.0
"""Seconds that a picture may take to arrive, even if others wait."""


class Gate:
    """Accepts a limited number of pictures at a time and refuses all others, so that memory is bounded.

    A single peer may have all places as long as nobody else wants one. If somebody does, the newest picture of the peer
    with the most places is ended, until all peers have equally many. After that, the picture that has been arriving for
    the longest time is ended, if that is longer than `PATIENCE`, because a machine with many addresses counts as many
    peers.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.held = 0
        self._by_peer: dict[str, list[asyncio.Task[Any]]] = {}
        self._arriving: dict[asyncio.Task[Any], tuple[str, float]] = {}
        """Peer and start time of each picture that has not arrived yet, the oldest first."""

    async def hold(self, peer: str, work: Coroutine[Any, Any, Value], seconds: float) -> Value:
        """Runs some work that takes a place. All calls must come from the same event loop.

        Args:
            peer: the peer that the work is for.
            work: the work; it is not started if there is no place.
            seconds: the time that the pictures inside are expected to take; a refusal tells it to the client.

        Raises:
            HTTPException: 429, there is no place, or the place was given to another peer.
        """
        again = {"Retry-After": str(max(1, math.ceil(seconds)))}
        if self.held >= self.places and not self._make_room(peer):
            work.close()
            raise HTTPException(429, f"{count_of(self.held, 'picture is', 'pictures are')} under way; try again", again)
        task = asyncio.ensure_future(work)
        self.held += 1
        self._by_peer.setdefault(peer, []).append(task)
        self._arriving[task] = peer, asyncio.get_running_loop().time()
        try:
            return await task
        except asyncio.CancelledError:
            if self._holds(peer, task):  # the server stops
                raise
            raise HTTPException(
                429, "others wait, and pictures of yours are more, or slow to arrive; try again", again
            ) from None
        finally:
            self._leave(peer, task)

    def arrived(self) -> None:
        """Records that the picture of the calling task has arrived."""
        if (task := asyncio.current_task()) is not None:
            self._arriving.pop(task, None)

    def _make_room(self, peer: str) -> bool:
        own = len(self._by_peer.get(peer, ()))
        richest = max(self._by_peer, key=lambda name: len(self._by_peer[name]), default=peer)
        # A peer that loses a place still has at least as many as the new one.
        if len(self._by_peer.get(richest, ())) >= own + 2:
            return self._end(richest, self._by_peer[richest][-1])
        late = asyncio.get_running_loop().time() - PATIENCE
        slowest = next(iter(self._arriving.items()), None)
        if slowest is None or slowest[1][1] > late:
            return False
        return self._end(slowest[1][0], slowest[0])

    def _end(self, peer: str, task: asyncio.Task[Any]) -> bool:
        self._leave(peer, task)
        task.cancel()
        return True

    def _holds(self, peer: str, task: asyncio.Task[Any]) -> bool:
        return task in self._by_peer.get(peer, ())

    def _leave(self, peer: str, task: asyncio.Task[Any]) -> None:
        if not self._holds(peer, task):
            return
        self.held -= 1
        self._arriving.pop(task, None)
        self._by_peer[peer].remove(task)
        if not self._by_peer[peer]:
            del self._by_peer[peer]


async def read_body(request: Request, max_bytes: int, timeout: float) -> bytes:
    """Reads the body of a request, but never more than is allowed.

    Raises:
        HTTPException: 413, the body is larger; 408, it took too long; 400, it is empty or was not sent completely.
    """
    said = request.headers.get("content-length", "")
    # A long row of digits is not converted, because that would take much time.
    if said.isdecimal() and (len(said) > 18 or int(said) > max_bytes):
        raise _too_large(max_bytes)
    try:
        body = await asyncio.wait_for(_read(request, max_bytes), timeout)
    except asyncio.TimeoutError:  # TimeoutError itself from Python 3.11 on
        # The connection is closed, so that the server does not wait for the rest.
        raise HTTPException(408, f"the picture did not arrive within {timeout:g} s", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the picture broke off") from None
    if not body:
        raise HTTPException(400, "there is no picture: send its file as the body, curl --data-binary @photo.jpg")
    return body


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for block in request.stream():
        # The bytes are counted while they arrive, because a body in chunks does not tell its length.
        if len(body) + len(block) > max_bytes:
            raise _too_large(max_bytes)
        body += block
    return bytes(body)


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the picture has more than {max_bytes:,} bytes, which is the limit here")
