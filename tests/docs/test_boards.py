"""docs/boards.md: the messages it shows are those that come, and what it names is there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import zoo.runner.demo
from tests.docs.markdown import ROOT, of_language
from zoo.errors import MissingDependencyError
from zoo.runner.loading import delegates, runtimes

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.docs.conftest import RunPage

PAGE = "docs/boards.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def shown(start: str) -> str:
    """The one message on the page that begins so."""
    (found,) = [text.strip() for text in of_language(PAGE, "text") if text.startswith(start)]
    return found


def test_every_message_is_tested_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    starts = re.findall(r'shown\("([^"]+)"\)', source)
    assert sorted(text.strip() for text in of_language(PAGE, "text")) == sorted(map(shown, starts))


@pytest.mark.slow
def test_everything_runs(run_page: RunPage) -> None:
    found = run_page(PAGE)
    assert "10 of 10 right" in found.said("edgezoo/bin/zoo demo")
    assert "Edge TPU" in found.said("zoo export")
    assert found.said("unzip -p").splitlines() == ["blue", "green", "red"]


@pytest.mark.slow
def test_a_file_that_is_newer_than_the_runtime(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("build", "mlp", "--quantize", "dynamic", "--target", "litert").code == 0
    assert shown("tflite-runtime 2.14: does not load it") in cli("inspect", "mlp_dynamic.tflite").out
    # Without a target, and so as the page says to do, it loads on both.
    assert cli("build", "mlp", "--quantize", "dynamic").code == 0
    inspected = cli("inspect", "mlp_dynamic.tflite").out
    assert "tflite-runtime 2.14: loads\n" in inspected
    assert "litert 2.3: loads\n" in inspected


def test_the_pip_route_is_what_the_board_environment_was_made_by() -> None:
    """`make test` makes it by these lines: a virtual environment, the checkout by pip, no extra."""
    route = [command for command in of_language(PAGE, "sh") if command.startswith(("python3 -m venv", "edgezoo/bin/"))]
    assert route[:3] == ["python3 -m venv edgezoo", "edgezoo/bin/pip install .", "edgezoo/bin/zoo demo"]


def test_numpy_2_beside_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.4.6")
    monkeypatch.setattr(runtimes, "version", lambda _: "2.14.0")
    assert runtimes.abi_clash("tflite-runtime") == shown("tflite-runtime 2.14.0 was built")


def test_a_system_that_is_older_than_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    def module(_: str) -> None:
        raise OSError("libc.so.6: version `GLIBC_2.34' not found (required by libLiteRt.so)")

    monkeypatch.setattr(runtimes, "module", module)
    monkeypatch.setattr(runtimes, "version", lambda _: "2.3.0")
    monkeypatch.setattr("zoo.machine.loading.libc", lambda: "glibc 2.31")
    with pytest.raises(MissingDependencyError) as error:
        runtimes.find("litert")
    assert str(error.value) == shown("litert 2.3.0 is installed")


def test_a_float_file_for_the_edge_tpu(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("build", "lenet", "--target", "edgetpu", "--quantize", "none")
    assert result.err.strip() == shown("zoo: error: the Edge TPU runs int8")
    assert list(tmp_path.iterdir()) == []


def test_without_libedgetpu(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    if delegates.edgetpu_library():
        pytest.skip("libedgetpu is installed here")
    home = zoo.runner.demo.folder()
    result = cli("run", home / "digits_int8.tflite", home / "pictures/three/000.png", "--delegate", "edgetpu")
    assert result.err.strip() == shown("zoo: error: the Edge TPU's libedgetpu.so.1")


def test_a_compiled_file_without_the_edge_tpu(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.runner.loading.test_delegates import _compiled

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_int8_edgetpu.tflite").write_bytes(_compiled())
    shutil.copy(zoo.runner.demo.folder() / "pictures/three/000.png", "photo.png")
    result = cli("run", "model_int8_edgetpu.tflite", "photo.png")
    assert result.err.strip() == shown("zoo: error: model_int8_edgetpu.tflite was compiled")


def test_what_the_libraries_are_called() -> None:
    assert delegates.EDGETPU_LIBRARIES["linux"] in TEXT
    assert runtimes.RUNTIMES["litert"].packages[0] in TEXT
