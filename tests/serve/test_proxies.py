"""The page behind nginx and Caddy, with the very lines of docs/serve.md."""

from __future__ import annotations

import contextlib
import http.client
import io
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.runner import Classifier

if TYPE_CHECKING:
    from tests.serve.conftest import Serving

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serve.md"
DIGITS = Path(__file__).resolve().parents[2] / "zoo" / "assets" / "demo" / "digits_int8.tflite"
NAME = "photos.example.org"


def block(word: str) -> str:
    """The block of the page that holds this word."""
    (found,) = [
        text.split("```")[0] for text in PAGE.read_text(encoding="utf-8").split("```text\n")[1:] if word in text
    ]
    return found


def free_port() -> int:
    """Finds a port below those that connections get, so that none takes it before the proxy does."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def running(command: list[str | Path], port: int) -> Iterator[None]:
    """Runs a proxy until the block ends, from when it listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def large_picture() -> bytes:
    """A picture of more than nginx's own limit of a megabyte."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    assert len(buffer.getvalue()) > 1_200_000
    return buffer.getvalue()


def ask(port: int, method: str, path: str, body: bytes | None = None, origin: str = "") -> tuple[int, bytes]:
    """What a browser gets that has the proxy's name and port in its address bar."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        headers = {"Host": f"{NAME}:{port}", **({"Origin": origin} if origin else {})}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def check_page(port: int, path: str) -> None:
    """The page loads, a large photo from it is answered, and one from another page is not."""
    status, body = ask(port, "GET", path)
    assert (status, b"http.js" in body) == (200, True)
    status, body = ask(port, "POST", f"{path}v1/classify", large_picture(), f"http://{NAME}:{port}")
    assert (status, b"predictions" in body) == (200, True), body
    assert ask(port, "POST", f"{path}v1/classify", b"x", "http://evil.example")[0] == 403


def require(program: str) -> str:
    found = shutil.which(program, path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"a proxy server is not installed here: {program}")
    return found


NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@pytest.mark.parametrize("host_line", ["proxy_set_header Host $http_host;", "proxy_set_header Host $host;", ""])
def test_the_page_behind_nginx(host_line: str, serving: Serving, tmp_path: Path) -> None:
    nginx, port = require("nginx"), free_port()
    with serving(Classifier(DIGITS), allow_hosts=(NAME,), trusted_proxies=("127.0.0.1",)) as site:
        lines = block("proxy_pass").replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")
        location = lines.replace("proxy_set_header Host $http_host;", host_line)
        (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port, location=location))
        with running([nginx, "-c", tmp_path / "nginx.conf", "-p", tmp_path], port):
            check_page(port, "/cam/")


def test_the_page_behind_caddy(serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caddy, port = require("caddy"), free_port()
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(Classifier(DIGITS), allow_hosts=(NAME,), trusted_proxies=("127.0.0.1",)) as site:
        lines = block("reverse_proxy").replace("127.0.0.1:8000", f"127.0.0.1:{site.port}")
        # Without a certificate, which Caddy would ask an authority for.
        lines = lines.replace(NAME, f"http://{NAME}:{port}")
        (tmp_path / "Caddyfile").write_text("{\n    admin off\n}\n" + lines)
        with running([caddy, "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"], port):
            check_page(port, "/")
