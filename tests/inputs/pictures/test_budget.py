from __future__ import annotations

import threading
import time

import pytest

from zoo.inputs.pictures.budget import LARGE, Budget
from zoo.machine import memory


def test_threads_hold_no_more_than_there_is() -> None:
    budget, most = Budget(100), []

    def work(needed: int) -> None:
        for _ in range(20):
            with budget.hold(needed):
                most.append(budget.held)
                time.sleep(0.0005)

    threads = [threading.Thread(target=work, args=(n,)) for n in (30, 40, 50, 60, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 60 < max(most) <= 100
    assert budget.held == 0


def test_a_picture_that_needs_more_than_the_budget_is_decoded_alone() -> None:
    budget = Budget(100)
    alone = threading.Event()

    def large() -> None:
        with budget.hold(1000):
            assert budget.held == 1000
            alone.set()

    with budget.hold(1):
        thread = threading.Thread(target=large)
        thread.start()
        assert not alone.wait(0.1)
    thread.join()
    assert alone.is_set()


def test_small_ones_do_not_overtake_a_large_one_for_ever() -> None:
    budget, order = Budget(100), list[str]()

    def take(name: str, needed: int) -> None:
        with budget.hold(needed):
            order.append(name)

    with budget.hold(60):
        threads = []
        for name, needed in (("large", 90), ("small", 10)):
            threads.append(threading.Thread(target=take, args=(name, needed)))
            threads[-1].start()
            while len(budget._waiting) < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["large", "small"]


def test_more_than_is_free_is_refused_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: LARGE)
    budget = Budget(10 * LARGE)
    with pytest.raises(MemoryError, match="decoding takes up to 134 MB, 67 MB are free"), budget.hold(2 * LARGE):
        pass
    assert budget.held == 0
    with budget.hold(LARGE):
        pass


def test_from_64_megabytes_the_free_memory_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGE == 64 * 2**20
    monkeypatch.setattr(memory, "available", lambda: 0)
    budget = Budget(10 * LARGE)
    with budget.hold(LARGE):
        assert budget.held == LARGE
    with pytest.raises(MemoryError), budget.hold(LARGE + 1):
        pass


def test_a_budget_and_the_free_memory_can_be_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: LARGE + 1)
    budget = Budget(LARGE + 41)
    with budget.hold(LARGE + 1), budget.hold(40):
        assert budget.held == budget.total
