"""Makes weights files like those of Keras Applications, and serves them on this machine."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import pytest

from zoo.weights.fetch import download


def write_legacy(path: Path, layers: list[tuple[str, list[tuple[str, Any]]]]) -> None:
    """Writes a weights file in the format of Keras 1 and 2, which is that of the published files."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name, _ in layers]
        for name, arrays in layers:
            group = file.create_group(name)
            group.attrs["weight_names"] = [own.encode() for own, _ in arrays]
            for own, array in arrays:
                group.create_dataset(own, data=array)


def save_legacy(model: Any, path: Path) -> Path:
    """Writes the weights of a model without nested models in the format of Keras 2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_legacy(
        path,
        [
            (layer.name, [(f"{layer.name}/{weight.name}:0", weight.numpy()) for weight in layer.weights])
            for layer in model.layers
        ],
    )
    return path


@dataclass
class Server:
    """Serves files over HTTP as Google's storage does, with the faults that a test asks for."""

    folder: Path
    url: str = ""
    drop_after: int | None = None
    """Number of bytes of each answer before the connection is cut."""
    knows_ranges: bool = True
    sends_hash: bool = True
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of each answer, e.g. an ETag; a request with another If-Range gets the whole file."""
    obeys_if_range: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    """Redirections: the address that each path leads to."""
    conditions: list[str] = field(default_factory=list)
    """The `If-Range` header of each request."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """The path and the `Range` header of each request."""


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    """Answers from the server's folder, with the server's faults."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            asked = self.headers.get("Range", "")
            server.requests.append((self.path, asked))
            condition = self.headers.get("If-Range", "")
            server.conditions.append(condition)
            if self.path in server.redirects:
                self.send_response(302)
                self.send_header("Location", server.redirects[self.path])
                self.end_headers()
                return
            if condition and server.obeys_if_range and condition not in server.headers.values():
                asked = ""
            path = server.folder / self.path.lstrip("/")
            if server.status != 200 or not path.is_file():
                self.send_error(server.status if server.status != 200 else 404)
                return
            content = path.read_bytes()
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.knows_ranges else 0
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            for name, value in {"Content-Length": str(len(content) - start), **server.headers}.items():
                if value:
                    self.send_header(name, value)
            if server.sends_hash:
                md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
                self.send_header("x-goog-hash", f"crc32c=AAAAAA==,md5={md5}")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # cut off by the zoo
                self.wfile.write(content[start:] if server.drop_after is None else content[start:][: server.drop_after])

        def log_message(self, *_: Any) -> None:
            """Writes nothing to the terminal."""

    return Handler


@contextlib.contextmanager
def serving(server: Server, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Runs a server as long as the block does, over https with a context; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(server)) as httpd:
        if context is not None:
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        # What stops it waits until it looks for that, by default every half second.
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http{'s' * (context is not None)}://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of `folder`; the zoo downloads from it without pauses, to a cache that belongs to the test."""
    found = Server(tmp_path / "served")
    found.folder.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    for proxy in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with serving(found) as found.url:
        monkeypatch.setenv("EDGEZOO_WEIGHTS_URL", found.url)
        yield found
