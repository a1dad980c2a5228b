"""Where the workers of a training meet before TensorFlow connects them.

TensorFlow waits for a worker that never comes for an hour, without a word, and Ctrl-C does not end it. So they meet
here first, on the first worker's address: who is missing is said, and who was started otherwise is told so.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import OptionError, TrainingError

WAIT = 300.0
"""Seconds to wait for the others."""


@dataclass(frozen=True)
class Cluster:
    """Where all workers are, and which of them this process is."""

    addresses: tuple[str, ...]
    """`host:port`; the first is the chief, which writes the run's folder."""
    index: int

    def __post_init__(self) -> None:
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise OptionError(f"worker {address!r} is not of the form host:port, as in 192.168.0.10:2222")
        if len(self.addresses) < 2:
            raise OptionError(
                f"workers={','.join(self.addresses)!r}: give two or more as host:port,host:port; strategy='one' trains "
                "alone"
            )
        if len(set(self.addresses)) < len(self.addresses):
            raise OptionError(f"workers={','.join(self.addresses)!r} names one of them twice")
        if not 0 <= self.index < len(self.addresses):
            raise OptionError(
                f"index={self.index} is none of the {len(self.addresses)} workers; give 0 to {len(self.addresses) - 1}"
            )

    def name(self, index: int) -> str:
        """For messages."""
        return f"worker {index} ({self.addresses[index]})"


def find_cluster(workers: Sequence[str] | None, index: int | None) -> Cluster:
    """The workers as given, which are set as `TF_CONFIG` then; else those of `TF_CONFIG`.

    Raises:
        OptionError: neither says it, or what it says cannot be.
    """
    if workers is not None:
        if index is None:
            raise OptionError(f"index is missing: which of the {len(workers)} workers is this one? 0 is the first")
        cluster = Cluster(tuple(workers), index)
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": list(cluster.addresses)}, "task": {"type": "worker", "index": cluster.index}}
        )
        return cluster
    text = os.environ.get("TF_CONFIG", "")
    if not text or index is not None:
        raise OptionError(
            "strategy='multiworker' needs the workers' addresses: give --workers host:port,host:port and --index N, "
            "or set TF_CONFIG"
        )
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        addresses = [*jobs.get("chief", []), *jobs["worker"]]
        first = len(jobs.get("chief", [])) if task["type"] == "worker" else 0
        return Cluster(tuple(addresses), first + int(task["index"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f'TF_CONFIG={text!r} is not of the form {{"cluster": {{"worker": ["host:port", ...]}}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from error


def meet(cluster: Cluster, facts: dict[str, Any], note: Callable[[str], None], wait: float = WAIT) -> None:
    """Returns on every worker once all are there.

    Args:
        cluster: who.
        facts: what has to be the same on all, for JSON.
        note: is told who is waited for.
        wait: seconds.

    Raises:
        TrainingError: one did not come, or was started with other facts.
    """
    facts = json.loads(json.dumps(facts | {"workers": ",".join(cluster.addresses)}))
    if cluster.index == 0:
        _receive(cluster, facts, note, time.monotonic() + wait)
    else:
        _join(cluster, facts, note, time.monotonic() + wait)


def differences(facts: dict[str, Any], others: dict[str, Any]) -> str:
    """The first fact that is not the same, in words; empty where there is none."""
    for key, value in facts.items():
        if others.get(key) != value:
            return f"{key} {others.get(key)!r}, not {value!r}"
    return ""


def _receive(cluster: Cluster, facts: dict[str, Any], note: Callable[[str], None], end: float) -> None:
    everybody = set(range(1, len(cluster.addresses)))
    arrived: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(cluster))
        note(f"waiting for {', '.join(cluster.name(i) for i in sorted(everybody))}")
        while missing := everybody - {number for number, connection in arrived.items() if _is_there(connection)}:
            if time.monotonic() > end:
                names = ", ".join(cluster.name(i) for i in sorted(missing))
                raise TrainingError(f"{names} did not come; start it with the same --workers and its own --index")
            listener.settimeout(1)
            try:
                connection = stack.enter_context(listener.accept()[0])
                connection.settimeout(5)
                hello = json.loads(_read_line(connection))
                number, theirs = int(hello["index"]), dict(hello["facts"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # nobody yet; or somebody else who knocked at this port, or one who has gone again
            if problem := differences(facts, theirs):
                _send(connection, {"error": f"this worker has {problem}"})
                for other in arrived.values():
                    _send(other, {"error": f"worker {number} has {problem}"})
                raise TrainingError(f"worker {number} has {problem}; start all workers in the same way")
            if number in arrived:
                _send(arrived[number], {"error": f"another worker was started with index {number}"})
            arrived[number] = connection
        for connection in arrived.values():
            _send(connection, {"go": True})


def _is_there(connection: socket.socket) -> bool:
    """Whether the other side, which has nothing to say, has not closed."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(5)


def _join(cluster: Cluster, facts: dict[str, Any], note: Callable[[str], None], end: float) -> None:
    host, _, port = cluster.addresses[0].rpartition(":")
    note(f"waiting for {cluster.name(0)}")
    while True:
        with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), timeout=5) as server:
            _send(server, {"index": cluster.index, "facts": facts})
            server.settimeout(max(0.001, end - time.monotonic()))
            answer = json.loads(_read_line(server))
            if "error" in answer:
                raise TrainingError(f"{answer['error']}; start all workers in the same way")
            return
        if time.monotonic() > end:
            raise TrainingError(
                f"{cluster.name(0)} does not answer, or waits for others; is it running, and is no firewall between?"
            )
        time.sleep(0.3)


@contextlib.contextmanager
def _listen(cluster: Cluster) -> Iterator[socket.socket]:
    port = int(cluster.addresses[0].rpartition(":")[2])
    try:
        listener = socket.create_server(("", port))
    except OSError as error:
        raise TrainingError(
            f"cannot listen on port {port}: {error.strerror or error}; is another worker 0 running?"
        ) from error
    with listener:
        yield listener


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # gone: it will be missed soon enough
        connection.sendall(json.dumps(message).encode() + b"\n")


def _read_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        line = file.readline(1 << 20)
    if not line.endswith(b"\n"):
        raise ValueError("the other side has gone")
    return line
