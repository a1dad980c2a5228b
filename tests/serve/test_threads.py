from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zoo.serve.threads import Threads, in_turn


def played(scene: Callable[[Threads], Awaitable[None]], count: int = 1) -> None:
    threads = Threads(count, "test")

    async def play() -> None:
        await scene(threads)

    try:
        # In a thread: the browser of other tests has an event loop in this one.
        with ThreadPoolExecutor(1) as player:
            player.submit(asyncio.run, play()).result()
    finally:
        threads.close()
    # A thread says that it is free a moment after its work has ended; closing waits for that.
    assert threads._free == count
    assert not threads._waiting


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
        await asyncio.sleep(0)
        assert sum(map(len, threads._waiting.values())) == 3
        rest[2].cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *rest, return_exceptions=True)
        await asyncio.sleep(0.01)

    played(scene)
    assert begun == [0, 3]


def test_a_step_that_nobody_waits_for_is_not_begun() -> None:
    begun: list[int] = []

    async def scene(threads: Threads) -> None:
        go, running = threading.Event(), threading.Event()

        def decode(_: object) -> int:
            running.set()
            assert go.wait(60)
            return 1

        second = Threads(1, "second")
        work = asyncio.ensure_future(in_turn("a", (threads, decode), (second, begun.append)))
        while not running.is_set():
            await asyncio.sleep(0.001)
        work.cancel()
        await asyncio.sleep(0)
        go.set()
        await threads.run("a", lambda: None)
        await second.run("a", lambda: None)
        second.close()
        assert (second._free, second._waiting) == (1, {})

    played(scene)
    assert begun == []


def test_steps_pass_their_values_on_in_their_own_threads_and_wake_the_loop_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(threads: Threads) -> None:
        loop, second = asyncio.get_running_loop(), Threads(1, "second")
        woken, wake = [], loop.call_soon_threadsafe

        def woken_by(*args: Any, **more: Any) -> Any:
            woken.append(1)
            return wake(*args, **more)

        monkeypatch.setattr(loop, "call_soon_threadsafe", woken_by)
        names, seconds = await in_turn(
            "a",
            (threads, lambda _: [threading.current_thread().name]),
            (second, lambda names: [*names, threading.current_thread().name]),
        )
        assert [name.partition("_")[0] for name in names] == ["test", "second"]
        assert len(seconds) == 2
        assert len(woken) == 1
        second.close()
        await asyncio.sleep(0.01)

    played(scene)


def test_what_waits_when_the_threads_are_closed_is_told() -> None:
    async def scene(threads: Threads) -> None:
        go, running, second = threading.Event(), threading.Event(), Threads(1, "second")

        def work() -> int:
            running.set()
            assert go.wait(60)
            return 7

        begun = asyncio.ensure_future(second.run("a", work))
        waiting = asyncio.ensure_future(second.run("a", lambda: 8))
        while not running.is_set():
            await asyncio.sleep(0.001)
        handed = asyncio.ensure_future(in_turn("a", (threads, lambda _: None), (second, lambda _: 9)))
        await threads.run("a", lambda: None)
        closing = asyncio.ensure_future(asyncio.to_thread(second.close))
        for told in (waiting, handed):
            with pytest.raises(RuntimeError, match="closed"):
                await told
        go.set()
        assert (await begun)[0] == 7
        await closing
        with pytest.raises(RuntimeError, match="closed"):
            await second.run("a", lambda: 1)
        with pytest.raises(RuntimeError, match="closed"):
            await in_turn("a", (threads, lambda _: 1), (second, lambda _: 2))

    played(scene)


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
