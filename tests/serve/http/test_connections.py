from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Any

import pytest

from zoo.errors import OptionError
from zoo.serve import Settings
from zoo.serve.http.connections import FEWEST, Connections, that_fit


@dataclass(eq=False)
class Fake:
    peer: str
    since: float = 0.0
    idle: bool = True
    proxied: bool = False
    dropped: bool = False

    def drop(self) -> None:
        self.dropped = True


def filled(most: int, per_peer: int, *held: Fake) -> Connections:
    connections = Connections(most, per_peer)
    for one in held:
        assert connections.admit(one)
    return connections


def test_a_peer_at_its_share_loses_what_it_has_not_used_for_the_longest() -> None:
    held = [Fake("a", since=2), Fake("a", since=1), Fake("a", since=3)]
    connections = filled(10, 3, *held)
    assert connections.admit(Fake("a", since=4))
    assert [one.dropped for one in held] == [False, True, False]
    assert len(connections) == 3
    assert connections.admit(Fake("b"))


def test_what_is_being_answered_is_never_ended() -> None:
    busy = [Fake("a", idle=False), Fake("a", idle=False)]
    connections = filled(10, 2, *busy)
    assert not connections.admit(Fake("a"))
    assert (connections.refused, connections.dropped, len(connections)) == (1, 0, 2)


def test_whoever_has_the_most_makes_room() -> None:
    rich, poor = [Fake("rich", since=i) for i in range(6)], [Fake("poor", since=-i) for i in range(2)]
    connections = filled(8, 8, *rich, *poor)
    new = [Fake("new") for _ in range(3)]
    for one in new:
        assert connections.admit(one)
    assert [one.dropped for one in rich] == [True] * 3 + [False] * 3
    assert not any(one.dropped for one in (*poor, *new))
    assert len(connections) == 8


def test_nobody_is_robbed_by_one_who_has_more() -> None:
    poor, rich = Fake("poor", since=-9), [Fake("rich", idle=False) for _ in range(3)]
    connections = filled(4, 4, poor, *rich)
    assert not connections.admit(Fake("rich"))
    assert not poor.dropped


def test_a_proxy_may_have_all_that_nobody_else_wants() -> None:
    proxied, other = [Fake("proxy", proxied=True) for _ in range(5)], Fake("a", since=-1)
    connections = filled(6, 2, *proxied, other)
    assert not any(one.dropped for one in proxied)
    assert connections.admit(Fake("b"))
    assert [one.dropped for one in (*proxied, other)].count(True) == 1
    assert not other.dropped


def test_removed_twice_is_removed_once() -> None:
    one, other = Fake("a"), Fake("a")
    connections = filled(4, 4, one, other)
    connections.remove(one)
    connections.remove(one)
    assert len(connections) == 1
    connections.remove(other)
    assert len(connections) == 0


def limited(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[int]:
    now = [soft]
    monkeypatch.setattr("zoo.serve.http.connections._open_files", lambda: 10)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (now[-1], hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: now.append(limits[0]))
    return now


def test_the_limit_on_open_files_is_raised_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    now = limited(monkeypatch, 100, 1000)
    assert that_fit(256) == 256
    assert now == [100, 256 + 10 + 32]
    assert that_fit(256) == 256
    assert len(now) == 2


def test_no_more_connections_than_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    now = limited(monkeypatch, 100, 150)
    assert that_fit(256) == 150 - 10 - 32
    assert now == [100, 150]


def test_too_few_open_files_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 42 + FEWEST - 1, 42 + FEWEST - 1)
    with pytest.raises(OptionError, match="this process may open 49 files, .* ulimit -n 1024"):
        that_fit(256)


def test_without_a_limit_on_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert that_fit(10_000) == 10_000


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"port": "8000"}, "port='8000' is not allowed; give a whole number, 0 to 65535"),
        ({"port": 70_000}, "port=70000 is not allowed; give 0 to 65535"),
        ({"queue": 0}, "queue=0 is not allowed; give 1 to 1000"),
        ({"max_bytes": 1.5e6}, "max_bytes=1500000.0 is not allowed; give a whole number, 1 or more"),
        ({"connections": 0}, "connections=0 is not allowed; give 1 or more"),
        ({"timeout": float("nan")}, "timeout=nan is not allowed; give seconds above 0"),
        ({"keep_alive": "30"}, "keep_alive='30' is not allowed; give seconds above 0"),
        ({"insecure": "no"}, "insecure='no' is not allowed; give True or False"),
        (
            {"allow_hosts": "photos.example.org"},
            "allow_hosts='photos.example.org' is not allowed; give a list of texts",
        ),
        ({"trusted_proxies": "10.0.0.1"}, "trusted_proxies='10.0.0.1' is not allowed; give a list of texts"),
        ({"host": None}, "host=None is not allowed; give a text"),
        ({"certificate": 1}, "certificate=1 is not allowed; give the path of a PEM file"),
        ({"token": 12345678}, "the token has to be 8 or more letters"),
    ],
)
def test_settings_of_another_type_or_out_of_bounds_are_refused(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(OptionError) as error:
        Settings(**wrong).check()
    assert str(error.value).startswith(line)


@pytest.mark.parametrize("share", [0, -1, 257])
def test_a_share_that_is_none(share: int) -> None:
    with pytest.raises(OptionError, match=f"peer_connections={share} is not allowed; give 1 to 256"):
        Settings(peer_connections=share).check()
