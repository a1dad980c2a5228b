"""Runs `zoo serve` as a process, and sends requests to it, well-behaved and others."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import select
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import serving


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    errors: Path
    """The text that it wrote to its standard error."""

    @property
    def code(self) -> int | None:
        """The exit code of the server, when it has ended."""
        return self.process.returncode

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Sends a request; returns status and body of the answer, or 0 and nothing if there was none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def post(self, body: bytes, path: str = "/v1/classify") -> int:
        """Sends a picture; returns the status of the answer, or 0 if there was none."""
        return self.ask("POST", path, body)[0]

    def slowly(self, body: bytes, path: str, seconds: float) -> int:
        """Sends a picture in ten pieces with pauses, until there is an answer; returns its status, or 0 for none."""
        pieces = [body[start : start + len(body) // 10 + 1] for start in range(0, len(body), len(body) // 10 + 1)]
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                connection.sendall(head(path, len(body)))
                for piece in pieces:
                    if select.select([connection], [], [], seconds / len(pieces))[0]:
                        break  # the server has answered without waiting for the rest
                    connection.sendall(piece)
                answer = connection.recv(100)
        except OSError:
            return 0
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        return int(found[1]) if found else 0

    def cut(self, data: bytes) -> int:
        """Sends bytes and closes the connection; returns 0, whatever the server answers."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            connection.settimeout(0.05)
            connection.recv(1000)
        return 0


def head(path: str, length: int) -> bytes:
    """Returns the head of a request with a body of some bytes."""
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n".encode()


def address(path: str, **values: str) -> str:
    """Returns a path with parameters."""
    return f"{path}?{urllib.parse.urlencode(values)}"


def read(answer: bytes) -> dict[str, Any]:
    """Returns the JSON object of an answer."""
    found: dict[str, Any] = json.loads(answer)
    return found


@contextlib.contextmanager
def started(folder: Path, *options: str | Path) -> Iterator[Server]:
    """Runs `zoo serve` with some options, with the text of its standard error in a folder; see `serving`."""
    errors = folder / "serve.err"
    with errors.open("w") as log, serving(*options, errors=log) as (process, port):
        yield Server(process, port, errors)
