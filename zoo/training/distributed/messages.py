"""What workers say to each other when they meet, and how little of a stranger's words is looked at.

Each message is one line of ASCII, ended by a line feed, and of one of three forms:

    edgezoo 1 NONCE         the joining worker begins
    NONCE PROOF             the receiving one answers, and proves that it knows the secret
    PROOF JSON              all else, from either side: proved before it is parsed
"""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any

from zoo.training.distributed.secret import is_proved, prove

LONGEST = 1 << 16
"""Bytes of a line."""
MARKS = 1000
"""Lists, tables and values that a message may hold, at most; ours have some dozens."""

_HELLO = re.compile(rb"edgezoo 1 ([0-9a-f]{64})")
_CHALLENGE = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{64})")
_SAID = re.compile(rb"([0-9a-f]{64}) (\{.*\})")


class StrangerError(Exception):
    """What the other side says is not what a worker of this training would say."""


class OtherSecretError(StrangerError):
    """The other side speaks our language and does not know our secret."""


def hello(nonce: str) -> bytes:
    """The first line."""
    return f"edgezoo 1 {nonce}\n".encode()


def read_hello(line: bytes) -> str:
    """The joining worker's nonce.

    Raises:
        StrangerError: it is no such line.
    """
    return _match(_HELLO, line)[0]


def challenge(secret: bytes, nonces: tuple[str, str]) -> bytes:
    """The receiving worker's nonce, and its proof."""
    return f"{nonces[1]} {prove(secret, nonces, 'receiver', b'')}\n".encode()


def read_challenge(line: bytes, secret: bytes, nonce: str) -> tuple[str, str]:
    """Both nonces.

    Raises:
        StrangerError: it is no such line.
        OtherSecretError: the other side does not know the secret.
    """
    theirs, proof = _match(_CHALLENGE, line)
    if not is_proved(proof, secret, (nonce, theirs), "receiver", b""):
        raise OtherSecretError
    return nonce, theirs


def say(message: dict[str, Any], secret: bytes, nonces: tuple[str, str], role: str) -> bytes:
    """A message with its proof; `role` is `joined` or `answer`."""
    said = json.dumps(message).encode()
    return f"{prove(secret, nonces, role, said)} ".encode() + said + b"\n"


def hear(line: bytes, secret: bytes, nonces: tuple[str, str], role: str) -> dict[str, Any]:
    """What `say` said.

    Raises:
        StrangerError: it is no such line, or more than a message of ours.
        OtherSecretError: the other side does not know the secret, or somebody has changed what it said.
    """
    match = _SAID.fullmatch(line)
    if not match:
        raise StrangerError
    proof, said = match.groups()
    if not is_proved(proof.decode(), secret, nonces, role, said):
        raise OtherSecretError
    # Where there is no secret, anybody of this machine can get so far.
    if sum(map(said.count, (b"[", b"{", b","))) > MARKS:
        raise StrangerError
    try:
        message: dict[str, Any] = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise StrangerError from error
    return message


class Lines:
    """Lines that come in over a socket, piece by piece."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def take(self) -> bytes | None:
        """Reads once; the first line without its end, or None where it is not whole yet.

        Raises:
            StrangerError: the other side has gone, or the line is longer than any of ours.
            OSError: the connection is broken; of these, BlockingIOError: nothing came.
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
        """The next line, by a time of `time.monotonic`, however slowly it comes.

        Raises:
            StrangerError: see `take`.
            OSError: the connection is broken, or the time is up.
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
        """Whether something has come that was not asked for."""
        return bool(self._buffer)


def _match(form: re.Pattern[bytes], line: bytes) -> tuple[str, ...]:
    match = form.fullmatch(line)
    if not match:
        raise StrangerError
    return tuple(word.decode() for word in match.groups())
