"""The command `zoo view`: a real Netron server is started, asked for its files, and stopped."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.errors import InputError, MissingDependencyError, ModelFileError, OptionError, UnknownModelError
from zoo.summary.netron import view

if TYPE_CHECKING:
    from tests.conftest import Case, Cli

pytest.importorskip("netron")


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        content: bytes = answer.read()
        return content


def shown(url: str) -> str:
    """Returns the address of the file that the page loads."""
    found = re.search(r'<meta name="file" content="(.+?)">', get(url).decode())
    assert found
    return url + found[1]


def test_a_file_is_served_and_its_neighbours_are_not(cases: Callable[[str], Case]) -> None:
    file = cases("lenet").file
    (file.parent / "secret.txt").write_text("not yours", encoding="utf-8")
    handlers = list(logging.getLogger().handlers)
    with view(file, browse=False) as url:
        assert url.startswith("http://127.0.0.1:")
        assert get(shown(url)) == file.read_bytes()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{url}/data/secret.txt")
    with pytest.raises(OSError):  # noqa: PT011  # refused or reset, as the system has it
        get(url)
    assert logging.getLogger().handlers == handlers


def test_a_model_is_shown_without_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with view("vgg16", num_classes=3) as url:
        assert opened == [url]
        document = json.loads(get(shown(url)))
    names = [layer["name"] for layer in document["config"]["layers"]]
    assert names[0] == "pixels"
    assert "block1_conv1" in names
    assert document["config"]["layers"][-2]["config"]["units"] == 3


def test_the_browser_gets_no_token_and_is_not_looked_for_in_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setattr(webbrowser, "open", lambda _: seen.update(os.environ))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", ".::/usr/bin")
    for name in ("EDGEZOO_SECRET", "EDGEZOO_TOKEN", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "registry_password"):
        monkeypatch.setenv(name, "hidden")
    before = dict(os.environ)
    with view("lenet"):
        assert os.environ == before
    assert "hidden" not in seen.values()
    assert (seen["DISPLAY"], seen["PATH"]) == (":0", "/usr/bin")


def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot serve on port {port}: .* give another port"):
            view("lenet", port=port, browse=False).__enter__()


def test_what_cannot_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownModelError, match="did you mean 'lenet'"):
        view("lenett").__enter__()
    with pytest.raises(OptionError, match="lenet has no option 'alpha'"):
        view("lenet", alpha=1).__enter__()
    for wrong in (tmp_path, tmp_path / "gone", "gone.tflite"):
        with pytest.raises(ModelFileError, match=re.escape(f"{wrong} is not a file; give a model file or one of mobi")):
            view(wrong).__enter__()
    (tmp_path / "lenet").touch()
    with pytest.raises(InputError, match="is a file, which has no options; leave num_classes out"):
        view(tmp_path / "lenet", num_classes=3).__enter__()
    monkeypatch.setitem(sys.modules, "netron", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgezoo\[view\]'"):
        view("lenet").__enter__()


def test_the_command_runs_until_it_is_interrupted(cases: Callable[[str], Case]) -> None:
    file = cases("lenet").file
    code = "import sys; from zoo.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "view", str(file), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stderr
            line = process.stdout.readline()
            url = line.removeprefix(f"{file}: ").split()[0]
            assert get(shown(url)) == file.read_bytes()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_errors_of_the_command(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("view", "gone.tflite").error.startswith("gone.tflite is not a file")
    assert cli("view", "alexnett").error.startswith("unknown model 'alexnett'; did you mean")
    assert cli("view", "lenet", "--port", "70000").code == 2
    monkeypatch.setitem(sys.modules, "netron", None)
    assert "pip install 'edgezoo[view]'" in cli("view", "lenet").error
