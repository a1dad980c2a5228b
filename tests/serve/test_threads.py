from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.serve.threads import Threads


def played(scene: Callable[[Threads], Awaitable[None]], count: int = 1) -> None:
    threads = Threads(count, "test")
    try:

        async def play() -> None:
            await scene(threads)

        # In a thread: the browser of other tests has an event loop in this one.
        with ThreadPoolExecutor(1) as player:
            player.submit(asyncio.run, play()).result()
        assert threads._free == count
        assert not threads._waiting
    finally:
        threads.close()


def test_peers_take_turns_however_much_one_has_sent() -> None:
    order: list[str] = []

    async def scene(threads: Threads) -> None:
        go = threading.Event()
        first = asyncio.ensure_future(threads.run("first", lambda: go.wait(60)))
        await asyncio.sleep(0)
        sent = ["a"] * 5 + ["b"] * 2 + ["c"]
        rest = [asyncio.ensure_future(threads.run(peer, functools.partial(order.append, peer))) for peer in sent]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *rest)
        await asyncio.sleep(0.01)

    played(scene)
    assert order == ["a", "b", "c", "a", "b", "a", "a", "a"]


def test_what_nobody_waits_for_is_not_begun() -> None:
    begun: list[int] = []

    async def scene(threads: Threads) -> None:
        go = threading.Event()
        first = asyncio.ensure_future(threads.run("a", lambda: go.wait(60)))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(threads.run("a", functools.partial(begun.append, i))) for i in range(4)]
        await asyncio.sleep(0)
        rest[1].cancel()
        go.set()
        await first
        rest[2].cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0.01)

    played(scene)
    assert begun == [0, 3]


def test_what_has_begun_keeps_its_thread() -> None:
    async def scene(threads: Threads) -> None:
        go, running = threading.Event(), threading.Event()

        def work() -> None:
            running.set()
            assert go.wait(60)

        first = asyncio.ensure_future(threads.run("a", work))
        while not running.is_set():
            await asyncio.sleep(0.001)
        first.cancel()
        second = asyncio.ensure_future(threads.run("b", lambda: 7))
        await asyncio.sleep(0.01)
        assert threads._free == 0
        go.set()
        assert (await second)[0] == 7
        await asyncio.sleep(0.01)

    played(scene)


def test_an_error_gives_the_thread_back() -> None:
    async def scene(threads: Threads) -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run("a", lambda: 1 // 0)
        assert (await threads.run("a", lambda: 1))[0] == 1
        await asyncio.sleep(0.01)

    played(scene, count=2)
