"""`zoo inspect` on `.onnx` files, ours and others'."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx")

from tests.conftest import Cli
from tests.onnx.nets import one, picture_net, save
from zoo.export.onnx.props import with_props


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    card = {"model": "tiny", "task": "classification", "quantize": "none"}
    path = tmp_path / "ours.onnx"
    path.write_bytes(with_props(picture_net(), card, ["cat", "dog", "owl"]))
    return path


def test_a_file_is_shown_with_its_operations_ends_card_and_targets(cli: Cli, ours: Path) -> None:
    shown = cli("inspect", str(ours)).out
    assert "ONNX opset 13, IR version 7" in shown
    assert "input: pixels 1x3x8x8 float32" in shown
    assert "output: scores 1x3 float32" in shown
    assert "3 labels: cat, dog, owl" in shown
    assert "model: tiny" in shown
    assert "checksum: right" in shown
    for target in ("TensorRT 8.2", "TensorRT 10.3", "ONNX Runtime"):
        assert f"{target}: takes it" in shown
    assert "no engine was built" in shown


def test_the_same_is_there_as_json(cli: Cli, ours: Path) -> None:
    found = json.loads(cli("inspect", str(ours), "--json").out)
    assert (found["format"], found["opsets"], found["checksum"]) == ("onnx", {"ai.onnx": 13}, "right")
    assert found["inputs"] == [{"name": "pixels", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert {"op": "Conv", "count": 1, "weight_bytes": 448} in found["ops"]
    assert found["targets"]["tensorrt8"]["takes"] is True
    assert found["labels"] == ["cat", "dog", "owl"]
    assert {"name": "w", "shape": [4, 3, 3, 3], "dtype": "float32", "bytes": 432} in found["tensors"]
    assert "runner" in found


def test_a_file_of_others_is_shown_too(cli: Cli, tmp_path: Path) -> None:
    path = save(picture_net(batch="N"), tmp_path / "theirs.onnx")
    shown = cli("inspect", str(path), "--tensors").out
    assert "input: pixels Nx3x8x8 float32" in shown
    assert "written by a test 1" in shown
    assert "TensorRT 8.2: does not take it, because" in shown
    assert "its size is open" in shown
    assert "no labels" in shown
    assert "dense" in shown.split("constant", 1)[1]


def test_one_target_is_judged_by_the_exit_code(cli: Cli, ours: Path, tmp_path: Path) -> None:
    assert "TensorRT 10.3" not in cli("inspect", str(ours), "--target", "tensorrt8").out
    other = save(one("Hardmax"), tmp_path / "other.onnx")
    refused = cli("inspect", str(other), "--target", "tensorrt8")
    assert refused.code == 1
    assert "Hardmax 'it': its list says that it is not supported" in refused.out
    assert cli("inspect", str(other), "--target", "onnxruntime").code == 0


def test_targets_are_for_onnx_files(cli: Cli, tmp_path: Path) -> None:
    refused = cli("inspect", str(tmp_path / "m.tflite"), "--target", "tensorrt8")
    assert refused.code == 2
    assert "is no .onnx file; --target judges .onnx files" in refused.err


def test_a_damaged_file_is_one_line(cli: Cli, ours: Path) -> None:
    ours.write_bytes(ours.read_bytes()[:300])
    refused = cli("inspect", str(ours))
    assert refused.code == 1
    assert "is not a sound .onnx file: " in refused.error


def test_without_the_extra_the_command_to_install_it_is_one_line(
    cli: Cli, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused = cli("inspect", str(ours))
    assert (refused.code, refused.error) == (1, "reading an .onnx file needs onnx: pip install 'edgezoo[onnx]'")
