"""How much is taken on: a bounded number of pictures at a time, of bounded size, in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


class Gate:
    """Lets in so many at a time and no more: no one waits outside, memory is bounded."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.held = 0

    @contextlib.contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """Holds a place for the length of the block. For one event loop.

        Args:
            seconds: how long those inside are expected to take, for whoever is turned away.

        Raises:
            HTTPException: 429, there is none.
        """
        if self.held >= self.places:
            again = max(1, math.ceil(seconds))
            raise HTTPException(429, f"{self.held} pictures are under way; try again", {"Retry-After": str(again)})
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1


async def read_body(request: Request, max_bytes: int, timeout: float) -> bytes:
    """The body of a request, never more of it than allowed.

    Raises:
        HTTPException: 413, it is larger; 408, it took too long; 400, it is empty or broke off.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > max_bytes:
        raise _too_large(max_bytes)
    try:
        body = await asyncio.wait_for(_read(request, max_bytes), timeout)
    except asyncio.TimeoutError:  # TimeoutError itself from Python 3.11 on
        raise HTTPException(408, f"the picture did not arrive within {timeout:g} s") from None
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
