"""An install without the extra `onnx`: each command that needs a part of it says in one line what to type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

HIDDEN = ("onnx", "onnxruntime", "tf2onnx")
ADAPTER = "zoo.runner.loading.onnxruntime"
"""Our module of ONNX Runtime, which is imported only where that is there."""


@pytest.fixture(autouse=True)
def base_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the packages of the extra."""
    for name in [*HIDDEN, *(module for module in sys.modules if module.partition(".")[0] in HIDDEN)]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="needs onnx to make a file")
    from tests.onnx.nets import picture_net, save

    return save(picture_net(), tmp_path_factory.mktemp("nets") / "m.onnx")


@pytest.mark.parametrize(
    "command",
    [
        ["build", "lenet", "--weights", "none", "--export", "onnx"],
        ["build", "lenet", "--weights", "none", "--export", "tflite,onnx", "--target", "tensorrt8"],
        ["export", "mine.keras", "--export", "onnx"],
        ["train", "lenet", "pictures", "--export", "onnx"],
    ],
    ids=lambda command: " ".join(command[:1]),
)
def test_writing_says_what_to_install_before_anything_is_made(
    command: list[str], cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = cli(*command)
    assert refused.code == 1
    assert "pip install 'edgezoo[onnx]'" in refused.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["inspect", "FILE"], "onnx"),
        (["inspect", "FILE", "--target", "tensorrt10"], "onnx"),
        (["inspect", "FILE", "--json"], "onnx"),
        (["run", "FILE", "photo.jpg"], "onnxruntime"),
        (["evaluate", "FILE", "pictures"], "onnxruntime"),
        (["benchmark", "FILE"], "onnxruntime"),
        (["serve", "FILE"], "onnxruntime"),
    ],
)
def test_reading_says_what_to_install(command: list[str], extra: str, net: Path, cli: Cli) -> None:
    refused = cli(*(net if word == "FILE" else word for word in command))
    assert refused.code == 1
    assert f"pip install 'edgezoo[{extra}]'" in refused.error


def test_what_needs_no_part_of_it_works(net: Path, cli: Cli) -> None:
    assert cli("inspect", net, "--private").code == 0
    assert cli("list").code == 0
