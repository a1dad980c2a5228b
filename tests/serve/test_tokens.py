from __future__ import annotations

from zoo.serve.tokens import FREE, PEERS, SECONDS, Tries


def test_typing_errors_cost_nothing() -> None:
    tries = Tries()
    for _ in range(FREE - 1):
        tries.wrong("a", 100.0)
        assert tries.wait("a", 100.0) == 0


def test_who_tries_many_waits_and_nobody_else_does() -> None:
    tries = Tries()
    for _ in range(FREE):
        tries.wrong("a", 100.0)
    assert tries.wait("a", 100.0) == SECONDS
    assert tries.wait("a", 100.0 + SECONDS - 0.5) == 1
    assert tries.wait("b", 100.0) == 0
    assert tries.wait("a", 100.0 + SECONDS) == 0
    # One more, not as many as before.
    tries.wrong("a", 100.0 + SECONDS)
    assert tries.wait("a", 100.0 + SECONDS) == SECONDS
    assert tries.wait("a", 100.0 + (FREE + 1) * SECONDS) == 0


def test_many_peers_take_no_memory_and_make_none_forgotten_that_waits() -> None:
    tries = Tries()
    for _ in range(FREE):
        tries.wrong("guilty", 100.0)
    for i in range(5 * PEERS):
        tries.wrong(f"other {i}", 100.0)
        assert len(tries) <= PEERS
    assert tries.wait("guilty", 100.0) == SECONDS
