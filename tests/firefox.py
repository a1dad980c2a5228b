"""Firefox without a window, driven through Marionette, the protocol that it brings itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import packages

WAIT = 60.0
"""Seconds for what takes a moment."""
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's reference, as the WebDriver standard has it."""
SETTINGS = {
    "marionette.port": 0,  # any free one, which Firefox writes into its profile
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    # A server that is not there: whatever leaves this machine fails.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}


class Firefox:
    """A page of a running Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._number = 0
        self._read()  # its greeting
        self._ask("WebDriver:NewSession")

    def open(self, url: str) -> None:
        """Opens an address, and waits until it is loaded."""
        self._ask("WebDriver:Navigate", url=url)

    def evaluate(self, script: str, *values: Any) -> Any:
        """Runs the body of a function in the page, with `arguments`, and returns what it returns."""
        return self._ask("WebDriver:ExecuteScript", script=script, args=list(values))["value"]

    def choose(self, selector: str, file: Path) -> None:
        """Gives a file to an input of the page."""
        found = self._ask("WebDriver:FindElement", using="css selector", value=selector)["value"]
        self._ask("WebDriver:ElementSendKeys", id=found[ELEMENT], text=str(file))

    def wait(self, script: str) -> None:
        """Waits until the body of a function returns something true."""
        end = time.monotonic() + WAIT
        while not self.evaluate(script):
            assert time.monotonic() < end, f"it never came to that: {script}"
            time.sleep(0.05)

    def _ask(self, command: str, **values: Any) -> Any:
        self._number += 1
        text = json.dumps([0, self._number, command, values]).encode()
        self._connection.sendall(b"%d:%s" % (len(text), text))
        _, number, error, result = self._read()
        assert number == self._number
        assert error is None, error["message"]
        return result

    def _read(self) -> Any:
        length = b""
        while (byte := self._stream.read(1)) != b":":
            assert byte, "Firefox has closed the connection"
            length += byte
        return json.loads(self._stream.read(int(length)))


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Firefox]:
    """Starts Firefox with a profile in an empty folder, and ends it; else the skip says `there is no firefox here`."""
    packages.require("firefox")
    program = shutil.which("firefox")
    assert program
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in SETTINGS.items()]
    (folder / "user.js").write_text("".join(lines), encoding="utf-8")
    process = subprocess.Popen(
        [program, "--headless", "--marionette", "--no-remote", "--profile", str(folder)],
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with socket.create_connection(("127.0.0.1", _port(folder, process)), timeout=WAIT) as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(WAIT)


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """Waits for the port that Firefox listens at."""
    told, end = folder / "MarionetteActivePort", time.monotonic() + WAIT
    while not (told.is_file() and (text := told.read_text().strip())):
        assert process.poll() is None, "Firefox has ended"
        assert time.monotonic() < end, "Firefox does not start"
        time.sleep(0.05)
    return int(text)
