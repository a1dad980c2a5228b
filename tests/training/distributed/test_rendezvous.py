from __future__ import annotations

import json
import socket
import time

import pytest

from tests.training.distributed.meeting import start
from zoo.errors import OptionError, TrainingError
from zoo.training.distributed.cluster import Cluster, find_cluster
from zoo.training.distributed.rendezvous import meet


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_go_on_once_all_are_there(addresses: tuple[str, ...], order: tuple[int, ...]) -> None:
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses, index), {"epochs": 3}, answers) for index in order[:2]]
    time.sleep(0.5)
    assert answers == {}
    threads.append(start(Cluster(addresses, order[2]), {"epochs": 3}, answers))
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(3), "all there")


def test_who_does_not_come_is_named(addresses: tuple[str, ...]) -> None:
    notes: list[str] = []
    with pytest.raises(TrainingError, match=f"worker 1 .*{addresses[1]}.*did not come"):
        meet(Cluster(addresses[:2], 0), {}, notes.append, 0.5)
    assert notes == [f"waiting for worker 1 ({addresses[1]})"]
    with pytest.raises(TrainingError, match=f"worker 0 .*{addresses[0]}.*does not answer"):
        meet(Cluster(addresses[:2], 1), {}, notes.append, 0.5)


def test_who_was_started_otherwise_is_told_so_and_so_are_all(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    threads = [
        start(Cluster(addresses, 0), {"epochs": 3}, answers),
        start(Cluster(addresses, 1), {"epochs": 3}, answers),
    ]
    time.sleep(1)
    threads.append(start(Cluster(addresses, 2), {"epochs": 4}, answers))
    for thread in threads:
        thread.join()
    assert answers[2].startswith("this worker has epochs 4, not 3;")
    assert answers[0].startswith("worker 2 has epochs 4, not 3;")
    assert answers[1] == answers[0]


def test_two_with_the_same_index(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    chief = start(Cluster(addresses, 0), {}, answers)
    first: dict[int, str] = {}
    replaced = start(Cluster(addresses, 1), {}, first)
    time.sleep(1)
    threads = [start(Cluster(addresses, 1), {}, answers)]
    replaced.join()
    threads.append(start(Cluster(addresses, 2), {}, answers))
    for thread in (chief, *threads):
        thread.join()
    assert first[1].startswith("another worker was started with index 1")
    assert answers == dict.fromkeys(range(3), "all there")


@pytest.mark.slow
def test_one_that_went_away_is_waited_for_again_and_others_who_knock_are_ignored(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses, 0), {}, answers)]
    host, port = addresses[0].split(":")
    hello = {"index": 1, "facts": {"workers": ",".join(addresses)}}
    time.sleep(0.3)
    for text in (json.dumps(hello), "GET / HTTP/1.1", "{}"):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text.encode() + b"\n")
            time.sleep(0.2)
    threads.append(start(Cluster(addresses, 2), {}, answers))
    time.sleep(1.5)
    assert answers == {}
    threads.append(start(Cluster(addresses, 1), {}, answers))
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(3), "all there")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TrainingError, match=f"cannot listen on port {port}: "):
            meet(Cluster((f"localhost:{port}", "localhost:1"), 0), {}, lambda text: None, 1)


@pytest.mark.parametrize(
    ("workers", "index", "message"),
    [
        (["a:1"], 0, "give two or more"),
        (["a:1", "b"], 0, "worker 'b' is not of the form host:port"),
        (["a:1", "b:99999"], 0, "worker 'b:99999' is not"),
        (["a:1", "a:1"], 0, "names one of them twice"),
        (["a:1", "b:1"], 2, "index=2 is none of the 2 workers; give 0 to 1"),
        (["a:1", "b:1"], None, "index is missing"),
        (None, None, "--workers host:port,host:port and --index N, or set TF_CONFIG"),
    ],
)
def test_workers_that_cannot_be(
    workers: list[str] | None, index: int | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(OptionError, match=message):
        find_cluster(workers, index)


def test_options_set_tf_config_which_is_read_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "")
    given = find_cluster(["a:1", "b:1"], 1)
    assert find_cluster(None, None) == given == Cluster(("a:1", "b:1"), 1)


@pytest.mark.parametrize(("kind", "index", "expected"), [("chief", 0, 0), ("worker", 1, 2)])
def test_tf_config_with_a_chief(kind: str, index: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}}))
    assert find_cluster(None, None) == Cluster(("a:1", "b:1", "c:1"), expected)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}']
)
def test_a_tf_config_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(OptionError, match="TF_CONFIG="):
        find_cluster(None, None)
