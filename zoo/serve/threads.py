"""Threads that take work from each peer in turn, so that nobody waits for all the work of somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Value = TypeVar("Value")


class Threads:
    """A fixed number of threads, for one event loop at a time."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._free = count
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """The work that waits for a thread, by peer; the peer whose turn is next stands first."""

    async def run(self, peer: str, work: Callable[[], Value]) -> tuple[Value, float]:
        """Runs work in a thread, and returns its result and the seconds that it took there.

        Work that nobody waits for any more is not started; work that has started keeps its thread until it is done.
        """
        await self._turn(peer)
        loop = asyncio.get_running_loop()

        def clock() -> tuple[Value, float]:
            start = time.perf_counter()
            return work(), time.perf_counter() - start

        def done(_: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._next)

        try:
            begun = self._pool.submit(clock)
        except RuntimeError:  # closed
            self._next()
            raise
        begun.add_done_callback(done)
        return await asyncio.wrap_future(begun)

    def close(self) -> None:
        """Ends the threads; work that has started is finished."""
        self._pool.shutdown(cancel_futures=True)

    async def _turn(self, peer: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(peer, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(peer, turn)
            else:  # its turn had just come
                self._next()
            raise

    def _next(self) -> None:
        """Gives a free thread to the peer whose turn is next."""
        if not self._waiting:
            self._free += 1
            return
        peer = next(iter(self._waiting))
        turns = self._waiting.pop(peer)
        turn = turns.popleft()
        if turns:
            self._waiting[peer] = turns
        if turn.done():  # cancelled, and not forgotten yet
            self._next()
        else:
            turn.set_result(None)

    def _forget(self, peer: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(peer, deque())
        with contextlib.suppress(ValueError):
            turns.remove(turn)
        if not turns:
            self._waiting.pop(peer, None)
