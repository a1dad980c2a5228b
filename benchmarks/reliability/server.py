"""Runs `zoo serve` as a process, and sends requests to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVE = "import sys; sys.argv[0] = 'zoo'; from zoo.cli.main import main; main()"


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    errors: Path
    """The text that it wrote to its standard error."""
    code: int | None = None
    """The exit code of the server."""

    def post(self, body: bytes, path: str = "/v1/classify", timeout: float = 60) -> int:
        """Sends a request; returns the status of the answer, or 0 if there was none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", path, body)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return response.status

    def resident(self) -> float:
        """Returns the memory that the server holds now, in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def serving(file: Path, folder: Path, *options: str) -> Iterator[Server]:
    """Starts a server on a free port for this machine only, and stops it by SIGTERM."""
    errors = folder / "serve.err"
    command = [sys.executable, "-c", SERVE, "serve", str(file), "--port", "0", *options]
    with errors.open("w") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r":(\d+)/", process.stdout.readline())
            if not found:
                raise RuntimeError(f"zoo serve does not start: {errors.read_text()}")
            server = Server(process, int(found[1]), errors)
            yield server
            process.terminate()
            server.code = process.wait(60)
        finally:
            process.kill()
