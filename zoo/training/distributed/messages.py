"""The messages of the rendezvous; as little as possible of a stranger's message is read.

Each message is one line of ASCII, ended by a line feed, and has one of three forms:

    edgezoo 1 NONCE         the joining worker begins
    NONCE PROOF             the receiving worker answers, and proves that it knows the secret
    PROOF JSON              all other messages of both sides; the proof is checked before the JSON is parsed
"""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any

from zoo.training.distributed.secret import is_proved, prove

LONGEST = 1 << 16
"""The most bytes of a line."""
MARKS = 1000
"""The most lists, tables and values of a message; those of a worker hold a few dozen."""

_HELLO = re.compile(rb"edgezoo 1 ([0-9a-f]{64})")
_CHALLENGE = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{64})")
_SAID = re.compile(rb"([0-9a-f]{64}) (\{.*\})")


class StrangerError(Exception):
    """The other side sent a message that no worker of this training would send."""


class OtherSecretError(StrangerError):
    """The other side follows the protocol, but does not know the secret."""


def hello(nonce: str) -> bytes:
    """Returns the first line of a joining worker."""
    return f"edgezoo 1 {nonce}\n".encode()


def read_hello(line: bytes) -> str:
    """Returns the joining worker's nonce from its first line.

    Raises:
        StrangerError: the line is no such line.
    """
    return _match(_HELLO, line)[0]


def challenge(secret: bytes, nonces: tuple[str, str]) -> bytes:
    """Returns the receiving worker's line, with its nonce and its proof."""
    return f"{nonces[1]} {prove(secret, nonces, 'receiver', b'')}\n".encode()


def read_challenge(line: bytes, secret: bytes, nonce: str) -> tuple[str, str]:
    """Returns both nonces from the receiving worker's line.

    Raises:
        StrangerError: the line is no such line.
        OtherSecretError: the other side does not know the secret.
    """
    theirs, proof = _match(_CHALLENGE, line)
    if not is_proved(proof, secret, (nonce, theirs), "receiver", b""):
        raise OtherSecretError
    return nonce, theirs


def say(message: dict[str, Any], secret: bytes, nonces: tuple[str, str], role: str) -> bytes:
    """Returns a message with its proof as a line; `role` is `joined` or `answer`."""
    said = json.dumps(message).encode()
    return f"{prove(secret, nonces, role, said)} ".encode() + said + b"\n"


def hear(line: bytes, secret: bytes, nonces: tuple[str, str], role: str) -> dict[str, Any]:
    """Returns the message of a line that `say` made.

    Raises:
        StrangerError: the line is no such line, or holds more than a worker's message.
        OtherSecretError: the other side does not know the secret, or somebody has changed its message.
    """
    match = _SAID.fullmatch(line)
    if not match:
        raise StrangerError
    proof, said = match.groups()
    if not is_proved(proof.decode(), secret, nonces, role, said):
        raise OtherSecretError
    # Without a secret, any process of this machine gets here.
    if sum(map(said.count, (b"[", b"{", b","))) > MARKS:
        raise StrangerError
    try:
        message: dict[str, Any] = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise StrangerError from error
    return message


class Lines:
    """The lines that arrive over a socket in pieces."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def take(self) -> bytes | None:
        """Reads once, and returns the first line without its end, or None if it is not complete.

        Raises:
            StrangerError: the other side has closed the connection, or the line is longer than `LONGEST`.
            BlockingIOError: nothing has arrived.
            OSError: the connection is broken.
        """
        if b"\n" not in self._buffer:
            piece = self.connection.recv(LONGEST)
            if not piece:
                raise StrangerError
            self._buffer += piece
        line, end, rest = self._buffer.partition(b"\n")
        if len(line) > LONGEST:
            raise StrangerError
        if not end:
            return None
        self._buffer = rest
        return line

    def wait(self, until: float) -> bytes:
        """Waits for the next line, until a time of `time.monotonic`.

        Raises:
            StrangerError: see `take`.
            OSError: the connection is broken, or the time is over.
        """
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.connection.settimeout(left)
            line = self.take()
            if line is not None:
                return line

    @property
    def more(self) -> bool:
        """Whether more than the lines taken so far has arrived."""
        return bool(self._buffer)


def _match(form: re.Pattern[bytes], line: bytes) -> tuple[str, ...]:
    match = form.fullmatch(line)
    if not match:
        raise StrangerError
    return tuple(word.decode() for word in match.groups())
