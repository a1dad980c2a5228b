"""The listening side of the rendezvous: worker 0 accepts the other workers and rejects strangers.

One thread serves all connections, so that a slow one delays none of the others. A connection that has not proved that
it knows the secret is closed after `PATIENCE` seconds, at the first line of another form, or if there are too many such
connections: then the oldest one of the address with the most of them.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from zoo.errors import TrainingError
from zoo.training.distributed import messages
from zoo.training.distributed.cluster import Cluster, is_loopback
from zoo.training.distributed.messages import Lines, OtherSecretError, StrangerError
from zoo.training.distributed.secret import new_nonce

PATIENCE = 5.0
"""Time limit for a connection to prove that it knows the secret, in seconds."""
SAID = 500
"""The most characters of a difference that are sent to other workers."""
KNOCKING = 128
"""The most connections at a time that have not proved that they know the secret."""
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""The errors of the system for an address that this machine does not have."""


class Guest:
    """A connection and its state."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        self.lines = Lines(connection)
        self.peer = peer
        self.until = time.monotonic() + PATIENCE
        self.nonces: tuple[str, str] | None = None
        """Both nonces, once the other side has sent its own."""
        self.index: int | None = None
        """Index of the worker, once it has proved that it knows the secret."""

    def send(self, line: bytes) -> None:
        """Sends a line, for which the empty buffer of a socket has room; a lost connection is noticed later."""
        with contextlib.suppress(OSError):
            self.lines.connection.send(line)


class Reception:
    """Worker 0's side of a rendezvous; a context manager, which closes all its sockets."""

    def __init__(
        self, cluster: Cluster, facts: dict[str, Any], secret: bytes, note: Callable[[str], None] = lambda text: None
    ) -> None:
        """Begins to listen at the address of the first worker, and at no other.

        Args:
            cluster: the expected workers.
            facts: the facts that must be the same on all workers.
            secret: the secret that all workers share.
            note: is called with the reason why workers do not arrive.

        Raises:
            TrainingError: this process cannot listen there.
        """
        self.cluster, self.facts, self.secret, self.note = cluster, facts, secret, note
        self.arrived: dict[int, Guest] = {}
        self._knocking: dict[Guest, None] = {}  # the oldest first
        self._told = False
        self._listeners = listen(cluster, note)
        self._selector = selectors.DefaultSelector()
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)

    def __enter__(self) -> Reception:
        return self

    def __exit__(self, *exception: object) -> None:
        for guest in (*self._knocking, *self.arrived.values()):
            guest.lines.connection.close()
        for listener in self._listeners:
            listener.close()
        self._selector.close()

    def missing(self) -> list[int]:
        """Returns the indexes of the workers that have not arrived."""
        return [number for number in range(1, len(self.cluster.addresses)) if number not in self.arrived]

    def attend(self, seconds: float) -> None:
        """Serves the connections for a number of seconds; returns earlier if something has happened.

        Raises:
            TrainingError: a worker was started with other facts than this one; all workers have received the error.
        """
        ready = [key for key, _ in self._selector.select(max(0.0, seconds))]
        for key in ready:
            if key.data is None:
                self._accept(key.fileobj)
            elif key.data in self._knocking or self.arrived.get(key.data.index) is key.data:
                self._hear(key.data)
        now = time.monotonic()
        for guest in [guest for guest in self._knocking if guest.until < now]:
            self._close(guest)

    def tell_all(self, message: dict[str, Any]) -> None:
        """Sends a message to all workers that have arrived."""
        for guest in self.arrived.values():
            self._answer(guest, message)

    def _accept(self, listener: Any) -> None:
        try:
            connection, address = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # the other side has closed it already, or file descriptors are short until others close
            time.sleep(0.05)
            return
        if len(self._knocking) >= KNOCKING:
            most = Counter(guest.peer for guest in self._knocking).most_common(1)[0][0]
            self._close(next(guest for guest in self._knocking if guest.peer == most))
        guest = Guest(connection, address[0])
        self._knocking[guest] = None
        self._selector.register(connection, selectors.EVENT_READ, guest)

    def _hear(self, guest: Guest) -> None:
        try:
            line = guest.lines.take()
            if guest.index is not None:
                raise StrangerError  # an accepted worker sends nothing more
            while line is not None and guest in self._knocking:
                self._understand(guest, line)
                line = guest.lines.take() if guest.lines.more else None
        except BlockingIOError:
            return
        except OtherSecretError:
            if not self._told:  # once, so that nobody can fill a log
                self._told = True
                self.note(f"{guest.peer} does not know the secret and is not let in; is it the same on all workers?")
            self._close(guest)
        except (StrangerError, OSError):
            self._close(guest)

    def _understand(self, guest: Guest, line: bytes) -> None:
        if guest.nonces is None:
            guest.nonces = (messages.read_hello(line), new_nonce())
            guest.send(messages.challenge(self.secret, guest.nonces))
            return
        said = messages.hear(line, self.secret, guest.nonces, "joined")
        number, theirs = said.get("index"), said.get("facts")
        known = type(number) is int and 0 < number < len(self.cluster.addresses)
        if not known or not isinstance(theirs, dict):
            raise StrangerError
        assert isinstance(number, int)  # noqa: S101  # checked above
        self._admit(guest, number, theirs)

    def _admit(self, guest: Guest, number: int, theirs: dict[str, Any]) -> None:
        if problem := differences(self.facts, theirs)[:SAID]:
            self._answer(guest, {"error": f"this worker has {problem}"})
            self.tell_all({"error": f"worker {number} has {problem}"})
            raise TrainingError(f"worker {number} has {problem}; start all workers in the same way")
        if number in self.arrived:
            self._answer(self.arrived[number], {"error": f"another worker was started with index {number}"})
            self._close(self.arrived[number])
        del self._knocking[guest]
        guest.index = number
        self.arrived[number] = guest

    def _answer(self, guest: Guest, message: dict[str, Any]) -> None:
        assert guest.nonces is not None  # noqa: S101  # it has proved that it knows the secret
        guest.send(messages.say(message, self.secret, guest.nonces, "answer"))

    def _close(self, guest: Guest) -> None:
        self._knocking.pop(guest, None)
        if guest.index is not None:
            self.arrived.pop(guest.index, None)
        self._selector.unregister(guest.lines.connection)
        guest.lines.connection.close()


def differences(facts: dict[str, Any], others: dict[str, Any]) -> str:
    """Describes the first fact that differs; the text is empty if all are the same."""
    for key, value in facts.items():
        if others.get(key) != value:
            return f"{key} {others.get(key)!r}, not {value!r}"
    return ""


def listen(cluster: Cluster, note: Callable[[str], None]) -> list[socket.socket]:
    """Returns sockets that listen at each address of the first worker's host name that this machine has.

    Raises:
        TrainingError: this machine has none of these addresses, or the port is taken.
    """
    host, port = cluster.chief
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TrainingError(
            f"no address is known of {host!r}, worker 0 ({getattr(error, 'strerror', error)})"
        ) from error
    listeners: list[socket.socket] = []
    absent = ""
    for family, address in dict.fromkeys((row[0], row[4]) for row in found):
        try:
            listeners.append(socket.create_server(address, family=family, backlog=KNOCKING))
        except OSError as error:
            if error.errno in ABSENT:
                absent = str(address[0])
                continue
            for listener in listeners:
                listener.close()
            raise TrainingError(
                f"cannot listen on port {port}: {error.strerror or error}; is another worker 0 running?"
            ) from error
    if not listeners:
        raise TrainingError(
            f"cannot listen on {cluster.addresses[0]}: this machine has no address {absent}; worker 0 is to be "
            "named by an address of its own"
        )
    heard = {str(listener.getsockname()[0]) for listener in listeners}
    if not cluster.local and all(map(is_loopback, heard)):
        note(
            f"worker 0 ({cluster.addresses[0]}) is {', '.join(sorted(heard))} here, which no other machine reaches; "
            "name it by its address in the network"
        )
    return listeners
