"""`--export onnx` of `zoo build`, `zoo export` and `zoo train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.export.onnx import graph as onnx_graph
from zoo.runner import Classifier

if TYPE_CHECKING:
    from tests.conftest import Array, Cli


@pytest.mark.slow
def test_a_build_in_both_formats_is_one_table(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        *("build", "lenet", "--export", "onnx,tflite", "--quantize", "none,int8", "--layout", "nhwc"),
        *("--target", "onnxruntime", "--out", tmp_path, "--json"),
    )
    assert (done.code, done.err) == (0, "")
    found = [(row["format"], Path(row["path"]).name) for row in json.loads(done.out)]
    assert found == [
        ("onnx", "lenet.onnx"),
        ("onnx", "lenet_int8.onnx"),
        ("tflite", "lenet.tflite"),
        ("tflite", "lenet_int8.tflite"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(name for _, name in found)
    assert Classifier(tmp_path / "lenet.onnx").card["layout"] == "nhwc"
    assert Classifier(tmp_path / "lenet.onnx").card["target"] == "onnxruntime"
    assert Classifier(tmp_path / "lenet.tflite").card["target"] == "litert and tflite-runtime"


@pytest.mark.slow
def test_a_keras_file_becomes_an_onnx_file(cli: Cli, tmp_path: Path) -> None:
    assert cli("build", "mlp", "--export", "keras", "--out", tmp_path).code == 0
    done = cli("export", tmp_path / "mlp.keras", "--export", "onnx", "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "run by onnxruntime" in done.out
    assert f"zoo run {tmp_path / 'mlp.onnx'} PHOTO.jpg" in done.out
    assert Classifier(tmp_path / "mlp.onnx").card["source"] == "mlp.keras"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--quantize", "dynamic"), "'dynamic' is for .tflite files"),
        (("--target", "edgetpu", "--quantize", "int8"), "target 'edgetpu' takes .tflite files, not .onnx"),
        (("--quantize", "int8", "--io", "int8"), "--io"),
        (("--quantize", "int8", "--keep-float", "auto"), "--keep-float"),
    ],
)
def test_options_of_tflite_files_are_refused_in_one_line(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    for command in (("build", "lenet"), ("export", "missing.keras")):
        done = cli(*command, "--export", "onnx", *words, "--out", tmp_path)
        assert (done.code, done.out) == (1, "")
        assert told in done.error
    assert not list(tmp_path.iterdir())


def test_options_of_onnx_files_are_refused_for_tflite(cli: Cli, tmp_path: Path) -> None:
    for words, told in ((("--layout", "nchw"), "--layout"), (("--target", "tensorrt8"), "takes .onnx files")):
        done = cli("build", "lenet", *words, "--out", tmp_path)
        assert (done.code, done.out) == (1, "")
        assert told in done.error


def test_a_missing_extra_is_said_before_anything_is_done(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "PACKAGES", ("no_such_package",))
    for command in (("build", "lenet"), ("export", "missing.keras"), ("train", "lenet", "missing")):
        done = cli(*command, "--export", "onnx")
        assert (done.code, done.out) == (1, "")
        assert done.error == (
            "writing .onnx files needs no_such_package, which is not installed: pip install 'edgezoo[onnx]'"
        )


@pytest.mark.slow
def test_a_training_ends_in_judged_onnx_files(cli: Cli, tmp_path: Path, digits: tuple[Array, Array]) -> None:
    for i, (picture, label) in enumerate(zip(digits[0][:300], digits[1][:300], strict=True)):
        (tmp_path / "digits" / str(label)).mkdir(exist_ok=True, parents=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(tmp_path / "digits" / str(label) / f"{i:03}.png")
    run = tmp_path / "run"
    done = cli(
        *("train", "lenet", tmp_path / "digits", "--epochs", "4", "--out", run),
        *("--export", "onnx", "--quantize", "none,float16,int8"),
    )
    assert (done.code, done.err) == (0, "")
    assert f"zoo run {run / 'lenet_int8.onnx'} PHOTO.jpg" in done.out
    files = {row["mode"]: row for row in json.loads((run / "files.json").read_text())}
    assert set(files) == {"keras", "none", "float16", "int8"}
    assert files["none"]["runtime"] == "onnxruntime, 1 thread"
    assert files["none"]["accuracy"] == files["keras"]["accuracy"]
    assert files["int8"]["accuracy"] > files["keras"]["accuracy"] - 0.1
    classifier = Classifier(run / "lenet_int8.onnx")
    assert classifier.labels == tuple(map(str, range(10)))
    assert classifier.card["accuracy"] == files["int8"]["accuracy"]
