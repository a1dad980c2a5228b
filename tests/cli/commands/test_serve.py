"""The command `zoo serve`, in a separate process."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.machine.cores import usable_cores

if TYPE_CHECKING:
    from tests.conftest import Case, Cli


@pytest.fixture(scope="module")
def model(cases: Callable[[str], Case]) -> Path:
    return cases("mobilenet_v2").file


@contextlib.contextmanager
def serve(*args: str | Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts the server; yields the process and the page's address when it is ready."""
    command = [sys.executable, "-c", "from zoo.cli.main import main; main()", "serve", *map(str, args), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **env}
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"https?://\S+:\d+/", line)
        assert found, line + process.stderr.read() if process.stderr else line
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return False
    return True


def ask(url: str, body: bytes | None = None, **headers: str) -> Any:
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_stopped(model: Path, photos: tuple[Path, Path], number: int) -> None:
    with serve(model, "--workers", "2", "--threads", "1") as (process, url):
        assert len(ask(f"{url}v1/classify", photos[0].read_bytes())["predictions"]) == 5
        assert ask(f"{url}v1/model")["workers"] == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "stopped\n", "")


def test_two_interpreters_serve_a_small_file(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(model) as (_, url):
        assert ask(f"{url}v1/model")["workers"] == min(2, usable_cores())
    command = importlib.import_module("zoo.cli.commands.serve")
    large = tmp_path / "large.tflite"
    with large.open("wb") as file:
        file.truncate(command.LARGE + 1)
    monkeypatch.setattr(command, "usable_cores", lambda: 4)
    assert command._interpreters(model, accelerated=False) == 2
    assert command._interpreters(model, accelerated=True) == 1
    assert command._interpreters(large, accelerated=False) == 1
    monkeypatch.setattr(command, "usable_cores", lambda: 1)
    assert command._interpreters(model, accelerated=False) == 1


@pytest.mark.slow
def test_what_is_under_way_is_answered(model: Path, photos: tuple[Path, Path]) -> None:
    picture = photos[0].read_bytes()
    with serve(model) as (process, url):
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            head = f"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(picture)}\r\n\r\n"
            client.sendall(head.encode() + picture[:1000])
            while "edgezoo_pictures 1" not in urllib.request.urlopen(f"{url}metrics").read().decode():
                pass
            process.send_signal(signal.SIGTERM)
            while listens(port):
                pass
            client.sendall(picture[1000:])
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert process.wait(60) == 0


def test_the_token_from_the_environment(model: Path) -> None:
    with serve(model, "--host", "0.0.0.0", EDGEZOO_TOKEN="from-the-environment") as (process, url):
        port = url.rstrip("/").rpartition(":")[2]
        local = f"http://127.0.0.1:{port}/v1/model"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(local)
        assert ask(local, Authorization="Bearer from-the-environment")["file"] == model.name
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert "from-the-environment" not in out + err


def test_refusals(cli: Cli, model: Path, cases: Callable[[str], Case]) -> None:
    refused = cli("serve", model, "--host", "0.0.0.0")
    assert (refused.code, refused.out) == (1, "")
    assert refused.error == (
        "host 0.0.0.0 is open to other machines: give --token SECRET, or --insecure if everybody who reaches it "
        "may use it"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = cli("serve", model, "--port", str(port))
        assert busy.error == f"cannot listen on 127.0.0.1 port {port}: Address already in use; try another --port"
    assert "does not take pictures" in cli("serve", cases("conv1d").file, "--port", "0").error
    assert "No such file" in cli("serve", "none.tflite", "--port", "0").error
    assert cli("serve", model, "--workers", "0").code == 2
    idle = cli("serve", model, "--workers", "8", "--queue", "1", "--port", "0")
    assert (idle.code, idle.out) == (2, "")
    assert idle.error.startswith("--workers 8 would wait for pictures: --queue 1 lets fewer in at a time")


@pytest.mark.parametrize(
    ("module", "package"),
    [("starlette", "starlette"), ("uvicorn", "uvicorn"), ("prometheus_client", "prometheus-client")],
)
def test_without_the_extra(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    done = cli("serve", model)
    assert done.code == 1
    assert done.error == f"serving needs {package}, which is not installed: pip install 'edgezoo[serve]'"
    monkeypatch.setenv("EDGEZOO_IMAGE", "jetson")
    done = cli("serve", model)
    assert done.error.endswith("which is not installed: build the image with it: --build-arg WITH=serve")


PROGRAM = """
import sys
from zoo.runner import Classifier
from zoo.serve import Settings, serve
serve([Classifier(sys.argv[1])], Settings(port=0), ready=lambda url: print(url, flush=True))
print("tensorflow" in sys.modules)
"""


@pytest.mark.slow
def test_from_python(model: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(model)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    url = process.stdout.readline().strip()
    assert ask(f"{url}healthz")["status"] == "ok"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "False\n"
    assert process.returncode == 0
