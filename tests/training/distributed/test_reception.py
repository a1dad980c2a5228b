"""Strangers at the door of a training: they can neither end it nor hold it up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.distributed.meeting import SECRET, introduce, is_closed, knock, start
from zoo.errors import TrainingError
from zoo.training.distributed import messages, reception
from zoo.training.distributed.cluster import Cluster
from zoo.training.distributed.rendezvous import meet
from zoo.training.distributed.secret import new_nonce

STRANGE_WORDS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: board\r\n\r\n",
    "TLS": bytes.fromhex("16030100c4010000c003035ba1") + b"\n",
    "brackets": b"[" * 200_000 + b"\n",
    "short brackets": b"[" * 50_000 + b"\n",
    "an endless line": b"x" * 1_000_000,
    "1e999": b'{"index": 1e999, "facts": {}}\n',
    "what an older worker says": b'{"index": 1, "facts": {}}\n',
    "no text": bytes(range(256)) * 10 + b"\n",
    "empty lines": b"\n" * 5000,
}


@pytest.mark.parametrize("secret", [b"", SECRET], ids=["without a secret", "with a secret"])
@pytest.mark.parametrize("words", STRANGE_WORDS.values(), ids=STRANGE_WORDS.keys())
def test_a_stranger_is_closed_and_workers_meet_all_the_same(
    addresses: tuple[str, ...], secret: bytes, words: bytes
) -> None:
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses, 0), {}, answers, secret=secret)]
    with knock(addresses[0]) as stranger:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stranger.sendall(words)
        assert is_closed(stranger)
        assert answers == {}
        threads += [start(Cluster(addresses, index), {}, answers, secret=secret) for index in (1, 2)]
        for thread in threads:
            thread.join()
    assert answers == dict.fromkeys(range(3), "all there")


@pytest.mark.parametrize(
    "message",
    [
        {"index": 1e999, "facts": {}},
        {"index": True, "facts": {}},
        {"index": "1", "facts": {}},
        {"index": 0, "facts": {}},
        {"index": 3, "facts": {}},
        {"index": 1, "facts": []},
        {"facts": {}},
        b'{"index": 1' + b"0" * 6000 + b"}",
        b'{"index": 1, "facts": ' + b"[" * 60_000 + b"}",
        b'{"index": 1, "facts": {' + b",".join(b'"%d": 1' % i for i in range(3000)) + b"}}",
        b'{"index": 1, "facts": {}',
        b"{\xff}",
    ],
    ids=str,
)
def test_one_who_speaks_as_workers_do_and_says_what_none_says_is_closed(
    addresses: tuple[str, ...], message: dict[str, Any] | bytes
) -> None:
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses, 0), {}, answers)]
    with knock(addresses[0]) as stranger:
        introduce(stranger, message)
        assert is_closed(stranger)
    assert answers == {}
    threads += [start(Cluster(addresses, index), {}, answers) for index in (1, 2)]
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(3), "all there")


def test_who_has_another_secret_is_told_so_and_neither_side_is_ended_by_it(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    chiefs: list[str] = []
    others: list[str] = []
    chief = start(Cluster(addresses[:2], 0), {}, answers, secret=SECRET, notes=chiefs)
    wrong: dict[int, str] = {}
    start(Cluster(addresses[:2], 1), {"epochs": 4}, wrong, 1.5, secret=b"", notes=others).join()
    assert "worker 0 (" in wrong[1]
    assert "does not know this worker's secret" in wrong[1]
    assert len(others) == 2  # said once, however often it is tried
    assert answers == {}
    threads = [chief, start(Cluster(addresses[:2], 1), {}, answers, secret=SECRET)]
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(2), "all there")


def test_a_proof_that_is_wrong_is_not_let_in_and_said_once(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    notes: list[str] = []
    threads = [start(Cluster(addresses[:2], 0), {}, answers, secret=SECRET, notes=notes)]
    for _ in range(3):
        with knock(addresses[0]) as stranger:
            stranger.sendall(messages.hello(new_nonce()))
            assert stranger.recv(1000)
            stranger.sendall(b"0" * 64 + b' {"index": 1, "facts": {}}\n')
            assert is_closed(stranger)
    threads.append(start(Cluster(addresses[:2], 1), {}, answers, secret=SECRET))
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(2), "all there")
    assert [note for note in notes if "does not know the secret" in note] == [
        "127.0.0.1 does not know the secret and is not let in; is it the same on all workers?"
    ]


class Wiretap:
    """A man in the middle who writes down what a worker and worker 0 say, and passes it on."""

    def __init__(self, to: str) -> None:
        self.listener = socket.create_server(("localhost", 0))
        self.address = f"localhost:{self.listener.getsockname()[1]}"
        self.heard: dict[str, list[bytes]] = {"worker": [], "chief": []}
        self._to = to
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with self.listener, self.listener.accept()[0] as worker, knock(self._to) as chief:
            back = threading.Thread(target=self._pass_on, args=("chief", chief, worker))
            back.start()
            self._pass_on("worker", worker, chief)
            back.join()

    def _pass_on(self, name: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                self.heard[name].append(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)


def test_the_secret_is_not_sent_and_a_recording_lets_nobody_in(addresses: tuple[str, ...]) -> None:
    tap = Wiretap(addresses[0])
    facts = {"workers": "the same for both"}
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses[:2], 0), facts, answers, secret=SECRET)]
    nonce = new_nonce()
    with knock(tap.address) as worker:
        lines = messages.Lines(worker)
        worker.sendall(messages.hello(nonce))
        nonces = messages.read_challenge(lines.wait(time.monotonic() + 20), SECRET, nonce)
        said = {"index": 1, "facts": {"workers": ",".join(addresses[:2])}}
        worker.sendall(messages.say(said, SECRET, nonces, "joined"))
        assert messages.hear(lines.wait(time.monotonic() + 20), SECRET, nonces, "answer") == {"go": True}
    threads[0].join()
    tap.thread.join()
    assert answers == {0: "all there"}
    recorded = b"".join(tap.heard["worker"])
    assert SECRET not in recorded + b"".join(tap.heard["chief"])
    # Worker 0 of the next training does not take it, and a worker does not take worker 0's part.
    again: dict[int, str] = {}
    chief = start(Cluster(addresses[:2], 0), facts, again, secret=SECRET)
    with knock(addresses[0]) as stranger:
        stranger.sendall(recorded)
        assert is_closed(stranger)
    assert again == {}
    start(Cluster(addresses[:2], 1), facts, again, secret=SECRET).join()
    chief.join()
    assert again == dict.fromkeys(range(2), "all there")
    with pytest.raises(messages.OtherSecretError):
        messages.read_challenge(tap.heard["chief"][0].splitlines()[0], SECRET, new_nonce())


@pytest.mark.slow
@pytest.mark.parametrize("words", [b" ", b""], ids=["a byte now and then", "nothing"])
def test_slow_strangers_hold_up_neither_the_workers_nor_the_end(
    addresses: tuple[str, ...], words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "KNOCKING", 16)
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses, 0), {}, answers, secret=SECRET)]
    strangers = [knock(addresses[0]) for _ in range(40)]
    for stranger in strangers:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stranger.sendall(words)
    threads += [start(Cluster(addresses, index), {}, answers, secret=SECRET) for index in (1, 2)]
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(3), "all there")
    for stranger in strangers:
        assert is_closed(stranger)
        stranger.close()


def test_a_stranger_who_goes_on_speaking_does_not_move_the_end(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    chief = start(Cluster(addresses[:2], 0), {}, answers, 1)
    with knock(addresses[0]) as stranger:
        for _ in range(600):
            if not chief.is_alive():
                break
            try:
                stranger.sendall(b" ")
            except (BrokenPipeError, ConnectionResetError):
                stranger.close()
                break
            time.sleep(0.05)
        chief.join(30)
    assert "did not come" in answers[0]


def test_who_poses_as_worker_0_does_not_hold_a_worker_past_its_end(addresses: tuple[str, ...]) -> None:
    with socket.create_server(("localhost", int(addresses[0].split(":")[1]))) as listener:
        stop = threading.Event()

        def pose() -> None:
            listener.settimeout(0.1)
            while not stop.is_set():
                try:
                    connection = listener.accept()[0]
                except TimeoutError:
                    continue
                with connection:
                    while not stop.is_set():
                        try:
                            connection.sendall(b"1")
                        except OSError:
                            break
                        time.sleep(0.05)

        poser = threading.Thread(target=pose)
        poser.start()
        answers: dict[int, str] = {}
        worker = start(Cluster(addresses[:2], 1), {}, answers, 1, secret=SECRET)
        worker.join(30)
        stop.set()
        poser.join()
    assert "does not answer" in answers[1]


def test_a_worker_that_has_joined_and_gone_is_waited_for_again(addresses: tuple[str, ...]) -> None:
    answers: dict[int, str] = {}
    threads = [start(Cluster(addresses, 0), {}, answers)]
    with knock(addresses[0]) as gone:
        introduce(gone, {"index": 1, "facts": {"workers": ",".join(addresses)}})
        time.sleep(0.3)
    threads.append(start(Cluster(addresses, 2), {}, answers))
    time.sleep(1)
    assert answers == {}
    threads.append(start(Cluster(addresses, 1), {}, answers))
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(3), "all there")


def listening(port: int) -> list[str]:
    """The addresses at which this machine listens on a port, as the kernel has them."""
    found = []
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]]
        found += [row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    return found


def test_it_listens_at_the_named_address_alone(addresses: tuple[str, ...]) -> None:
    _host, port = addresses[0].split(":")
    named = (f"127.0.0.2:{port}", addresses[1])
    answers: dict[int, str] = {}
    chief = start(Cluster(named, 0), {}, answers)
    knock(named[0]).close()
    assert listening(int(port)) == ["0200007F"]
    start(Cluster(named, 1), {}, answers).join()
    chief.join()
    assert answers == dict.fromkeys(range(2), "all there")


@pytest.mark.parametrize(
    ("address", "message"),
    [("192.0.2.7:2222", "this machine has no address 192.0.2.7"), ("nowhere.invalid:2222", "no address is known of")],
)
def test_an_address_that_is_not_of_this_machine(address: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        meet(Cluster((address, "192.0.2.8:2222"), 0), {}, lambda text: None, 1, secret=SECRET)


def test_a_worker_0_that_only_its_own_machine_reaches_is_told_so(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian names a machine in its own /etc/hosts: 127.0.1.1."""
    port = int(addresses[0].split(":")[1])
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *arguments, **options: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", port))],
    )
    notes: list[str] = []
    with pytest.raises(TrainingError, match="did not come"):
        meet(Cluster((f"board:{port}", "laptop:1"), 0), {}, notes.append, 0.1, secret=SECRET)
    assert notes[0].startswith(f"worker 0 (board:{port}) is 127.0.1.1 here, which no other machine reaches")
