"""Servers in a thread of this process, and a browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import packages
from zoo.runner import Classifier, Predictor
from zoo.serve import Settings
from zoo.serve.api import Api
from zoo.serve.app import create_app
from zoo.serve.server import Configuration, Server
from zoo.serve.workers import Pool

if TYPE_CHECKING:
    from tests.conftest import Case


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The one line of a refusal; anything more is a failure."""
        assert self.headers["content-type"] == "application/json"
        assert list(self.json) == ["error"]
        line: str = self.json["error"]
        assert line
        assert "\n" not in line
        return line


class Site:
    """A running server."""

    def __init__(self, api: Api, port: int) -> None:
        self.api = api
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, body: Any, path: str = "/v1/classify", headers: dict[str, str] | None = None) -> Reply:
        return self.ask("POST", path, body, headers)


@contextlib.contextmanager
def running(predictors: Sequence[Predictor[Any]], settings: Settings) -> Iterator[Site]:
    listener = settings.bind()
    pool = Pool(predictors, settings.max_pixels)
    api = Api(pool, settings)
    server = Server(Configuration(api, create_app(api)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Site(api, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        pool.close()


Serving = Callable[..., contextlib.AbstractContextManager[Site]]


@pytest.fixture(scope="session")
def model(cases: Callable[[str], Case]) -> Path:
    return cases("mobilenet_v2").file


@pytest.fixture(scope="session")
def serving(request: pytest.FixtureRequest) -> Serving:
    """A function from settings to a server of a small MobileNetV2, or of other files."""

    def start(*predictors: Predictor[Any], **settings: Any) -> contextlib.AbstractContextManager[Site]:
        found = predictors or [Classifier(request.getfixturevalue("model"))]
        return running(found, Settings(**{"port": 0, **settings}))

    return start


@pytest.fixture(scope="module")
def site(serving: Serving) -> Iterator[Site]:
    """A server with the default settings."""
    with serving() as found:
        yield found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """For localhost, signed by itself: the certificate and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    packages.require("openssl")
    subprocess.run([*command.split(), "-out", cert, "-keyout", key], capture_output=True, check=True)
    return cert, key
