"""Workers that meet in threads of this process, and those who are none of them."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from zoo.errors import TrainingError
from zoo.training.distributed import messages
from zoo.training.distributed.cluster import Cluster
from zoo.training.distributed.rendezvous import meet
from zoo.training.distributed.secret import new_nonce, prove

SECRET = b"sixteen bytes at least"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start(
    cluster: Cluster,
    facts: dict[str, Any],
    answers: dict[int, str],
    wait: float = 20,
    *,
    secret: bytes = b"",
    notes: list[str] | None = None,
) -> threading.Thread:
    def run() -> None:
        try:
            meet(cluster, facts, ([] if notes is None else notes).append, wait, secret=secret)
            answers[cluster.index] = "all there"
        except TrainingError as error:
            answers[cluster.index] = str(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def knock(address: str) -> socket.socket:
    """A connection to worker 0, once it listens."""
    host, port = address.split(":")
    for _ in range(200):
        try:
            return socket.create_connection((host, int(port)), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side closes, in time."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def introduce(connection: socket.socket, message: dict[str, Any] | bytes, secret: bytes = b"") -> None:
    """All that a worker says, with any message; bytes stand for the JSON as it is."""
    nonce = new_nonce()
    connection.sendall(messages.hello(nonce))
    nonces = messages.read_challenge(messages.Lines(connection).wait(time.monotonic() + 20), secret, nonce)
    if isinstance(message, dict):
        connection.sendall(messages.say(message, secret, nonces, "joined"))
    else:
        proof = prove(secret, nonces, "joined", message)
        connection.sendall(proof.encode() + b" " + message + b"\n")
