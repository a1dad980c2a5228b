"""How much is taken on: a bounded number of pictures at a time, of bounded size, in bounded time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

Value = TypeVar("Value")

PATIENCE = 3.0
"""Seconds in which a picture may arrive whoever else waits."""


class Gate:
    """Lets in so many at a time and no more: no one waits outside, memory is bounded.

    One peer may have all places as long as nobody else wants one. Then the newest picture of whoever holds the most
    gives way, until all who ask hold the same. After that the picture gives way that has been arriving for the longest,
    if that is longer than `PATIENCE`: a machine with many addresses is many peers.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.held = 0
        self._by_peer: dict[str, list[asyncio.Task[Any]]] = {}
        self._arriving: dict[asyncio.Task[Any], tuple[str, float]] = {}
        """Whose pictures are not here yet, and since when they are awaited; the first one stands first."""

    async def hold(self, peer: str, work: Coroutine[Any, Any, Value], seconds: float) -> Value:
        """Does some work that takes a place. For one event loop.

        Args:
            peer: whose it is.
            work: what is to be done; not begun where there is no place.
            seconds: how long those inside are expected to take, for whoever is turned away.

        Raises:
            HTTPException: 429, there is no place, or it had to be given up for another peer.
        """
        again = {"Retry-After": str(max(1, math.ceil(seconds)))}
        if self.held >= self.places and not self._make_room(peer):
            work.close()
            raise HTTPException(429, f"{self.held} pictures are under way; try again", again)
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
        """Notes that the picture of the task that calls this is here."""
        if (task := asyncio.current_task()) is not None:
            self._arriving.pop(task, None)

    def _make_room(self, peer: str) -> bool:
        own = len(self._by_peer.get(peer, ()))
        richest = max(self._by_peer, key=lambda name: len(self._by_peer[name]), default=peer)
        # After that, nobody who gave way has less than the one who came.
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
    """The body of a request, never more of it than allowed.

    Raises:
        HTTPException: 413, it is larger; 408, it took too long; 400, it is empty or broke off.
    """
    said = request.headers.get("content-length", "")
    # Of many digits nobody makes a number.
    if said.isdecimal() and (len(said) > 18 or int(said) > max_bytes):
        raise _too_large(max_bytes)
    try:
        body = await asyncio.wait_for(_read(request, max_bytes), timeout)
    except asyncio.TimeoutError:  # TimeoutError itself from Python 3.11 on
        # Not to be waited for a second time.
        raise HTTPException(408, f"the picture did not arrive within {timeout:g} s", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the picture broke off") from None
    if not body:
        raise HTTPException(400, "there is no picture: send its file as the body, curl --data-binary @photo.jpg")
    return body


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for block in request.stream():
        # Counted as it comes: a body sent in chunks does not say its length.
        if len(body) + len(block) > max_bytes:
            raise _too_large(max_bytes)
        body += block
    return bytes(body)


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the picture has more than {max_bytes:,} bytes, which is the limit here")
