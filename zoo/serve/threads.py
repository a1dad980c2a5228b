"""Threads that take work from each peer in turn, so that nobody waits for all the work of somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Value = TypeVar("Value")
Step = Callable[[Any], Any]
"""A step of some work: it gets what the step before it returned, the first one None."""


class Threads:
    """A fixed number of threads. A thread that is done takes the next work itself, without the event loop."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._free = count
        self._waiting: dict[str, deque[_Work]] = {}
        """The work that waits for a thread, by peer; the peer whose turn is next stands first."""
        self._is_closed = False

    async def run(self, peer: str, work: Callable[[], Value]) -> tuple[Value, float]:
        """Runs work of one step, see `in_turn`; returns its result and the seconds that it took in its thread."""
        result, seconds = await in_turn(peer, (self, lambda _: work()))
        return result, seconds[0]

    def close(self) -> None:
        """Ends the threads; work that has started is finished, and that which waits gets a `RuntimeError`."""
        with self._lock:
            self._is_closed = True
            left = [work for turns in self._waiting.values() for work in turns]
            self._waiting.clear()
        for work in left:
            work.fail(RuntimeError("the threads are closed"))
        self._pool.shutdown(cancel_futures=True)

    def take(self, work: _Work) -> None:
        """Starts the next step of some work, or has it wait for a thread and for its peer's turn.

        Raises:
            RuntimeError: the threads are closed.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the threads are closed")
            if not self._free:
                self._waiting.setdefault(work.peer, deque()).append(work)
                return
            self._pool.submit(self._do, work)
            self._free -= 1

    def forget(self, work: _Work) -> None:
        """Drops work that nobody waits for any more, if it waits here."""
        with self._lock:
            turns = self._waiting.get(work.peer, deque())
            with contextlib.suppress(ValueError):
                turns.remove(work)
            if not turns:
                self._waiting.pop(work.peer, None)

    def _do(self, work: _Work | None) -> None:
        while work is not None:
            work.do()
            work = self._next()

    def _next(self) -> _Work | None:
        """Returns the work of the peer whose turn is next; None if none waits, and the thread is free."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return None
            peer = next(iter(self._waiting))
            turns = self._waiting.pop(peer)
            work = turns.popleft()
            if turns:
                self._waiting[peer] = turns
            return work


async def in_turn(peer: str, *steps: tuple[Threads, Step]) -> tuple[Any, list[float]]:
    """Runs the steps of some work one after the other, each in its own threads.

    A step that nobody waits for any more is not started; one that has started keeps its thread until it is done. The
    event loop is woken once, at the end: waking it costs more than to hand the work on.

    Returns:
        What the last step returned, and the seconds that each step took in its thread.

    Raises:
        RuntimeError: the threads of a step are closed.
    """
    work = _Work(peer, steps)
    try:
        steps[0][0].take(work)
        return await work.ended
    except asyncio.CancelledError:
        work.is_abandoned = True
        for threads, _ in steps:
            threads.forget(work)
        raise


class _Work:
    """Work of several steps, on its way through the threads."""

    def __init__(self, peer: str, steps: tuple[tuple[Threads, Step], ...]) -> None:
        self.peer = peer
        self.is_abandoned = False
        self.ended: asyncio.Future[tuple[Any, list[float]]] = asyncio.get_running_loop().create_future()
        self._steps = deque(steps)
        self._value: Any = None
        self._seconds: list[float] = []

    def do(self) -> None:
        """Does the next step in the calling thread, and hands the work on."""
        if self.is_abandoned:
            return
        _, step = self._steps.popleft()
        start = time.perf_counter()
        try:
            self._value = step(self._value)
            self._seconds.append(time.perf_counter() - start)
            if self._steps:
                self._steps[0][0].take(self)
                return
        except BaseException as error:  # noqa: BLE001  # it is raised where the work is awaited
            self.fail(error)
            return
        self._settle(functools.partial(self.ended.set_result, (self._value, self._seconds)))

    def fail(self, error: BaseException) -> None:
        """Ends the work with an error."""
        self._settle(functools.partial(self.ended.set_exception, error))

    def _settle(self, settle: Callable[[], None]) -> None:
        def settled() -> None:
            if not self.ended.done():  # cancelled
                settle()

        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.ended.get_loop().call_soon_threadsafe(settled)
