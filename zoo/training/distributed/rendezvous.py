"""The rendezvous of a training's workers, before TensorFlow connects them.

TensorFlow waits an hour for a missing worker without any message, and Ctrl-C does not end it. So the workers first meet
at the first worker's address: a missing worker is named, and a worker started with other arguments gets an error.
Strangers who find that address can neither end nor delay a training: see `zoo.training.distributed.reception`.
"""

from __future__ import annotations

import json
import socket
import textwrap
import time
from collections.abc import Callable
from typing import Any

from zoo.errors import TrainingError
from zoo.training.distributed import messages
from zoo.training.distributed.cluster import Cluster, find_cluster
from zoo.training.distributed.messages import Lines, OtherSecretError, StrangerError
from zoo.training.distributed.reception import PATIENCE, Reception, differences
from zoo.training.distributed.secret import new_nonce

__all__ = ["WAIT", "Cluster", "differences", "find_cluster", "meet"]

WAIT = 300.0
"""Time limit for the other workers to arrive, in seconds."""


def meet(
    cluster: Cluster, facts: dict[str, Any], note: Callable[[str], None], wait: float = WAIT, *, secret: bytes = b""
) -> None:
    """Waits until all workers have arrived; every worker calls it.

    Args:
        cluster: the workers.
        facts: the facts that must be the same on all workers, as JSON values.
        note: is called with a text that names the missing workers.
        wait: time limit in seconds.
        secret: the secret that all workers share, from `zoo.training.distributed.secret.find_secret`; an empty one
            keeps out only programs that do not follow the protocol.

    Raises:
        TrainingError: a worker did not arrive, or was started with other facts.
    """
    facts = json.loads(json.dumps(facts | {"workers": ",".join(cluster.addresses)}))
    if cluster.index == 0:
        _receive(cluster, facts, note, time.monotonic() + wait, secret)
    else:
        _join(cluster, facts, note, time.monotonic() + wait, secret)


def _receive(cluster: Cluster, facts: dict[str, Any], note: Callable[[str], None], end: float, secret: bytes) -> None:
    with Reception(cluster, facts, secret, note) as reception:
        note(f"waiting for {', '.join(cluster.name(i) for i in reception.missing())}")
        while missing := reception.missing():
            left = end - time.monotonic()
            if left <= 0:
                names = ", ".join(map(cluster.name, missing))
                raise TrainingError(f"{names} did not come; start it with the same --workers and its own --index")
            reception.attend(min(1.0, left))
        reception.tell_all({"go": True})


def _join(cluster: Cluster, facts: dict[str, Any], note: Callable[[str], None], end: float, secret: bytes) -> None:
    note(f"waiting for {cluster.name(0)}")
    told = False
    while True:
        try:
            answer = _ask(cluster, facts, end, secret)
        except OtherSecretError:
            if not told:
                told = True
                note(f"{cluster.name(0)} does not know this worker's secret; is it the same on all workers?")
        except (StrangerError, OSError):
            pass  # worker 0 is not there yet, or another program has this address
        else:
            if answer.get("go") is True:
                return
            raise TrainingError(f"{_plain(answer.get('error'))}; start all workers in the same way")
        if time.monotonic() > end:
            raise TrainingError(
                f"{cluster.name(0)} answers and does not know this worker's secret; give all the same --secret-file"
                if told
                else f"{cluster.name(0)} does not answer, or waits for others; is it running, and is no firewall "
                "between?"
            )
        time.sleep(0.3)


def _ask(cluster: Cluster, facts: dict[str, Any], end: float, secret: bytes) -> dict[str, Any]:
    """Joins at worker 0's address, and returns its answer, which it sends once all workers have arrived.

    Raises:
        StrangerError: another program has this address.
        OSError: nothing listens there, or the time is over.
    """
    soon = min(end, time.monotonic() + PATIENCE)
    with socket.create_connection(cluster.chief, timeout=max(0.001, soon - time.monotonic())) as server:
        nonce, lines = new_nonce(), Lines(server)
        server.sendall(messages.hello(nonce))
        nonces = messages.read_challenge(lines.wait(soon), secret, nonce)
        server.sendall(messages.say({"index": cluster.index, "facts": facts}, secret, nonces, "joined"))
        return messages.hear(lines.wait(end), secret, nonces, "answer")


def _plain(text: object) -> str:
    """Returns the text of another worker in one line without control characters."""
    return textwrap.shorten("".join(c if c.isprintable() else " " for c in str(text)), 500)
