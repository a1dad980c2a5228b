"""The target of an `.onnx` file: what it does not take is not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tf2onnx", reason="needs tf2onnx")

import zoo
from tests.conftest import Cli
from zoo.errors import ExportError
from zoo.export import ExportOptions, to_tflite
from zoo.export.onnx.exporter import to_onnx
from zoo.export.onnx.options import Format, of_format
from zoo.onnx.targets import ONNX_TARGETS, OnnxTarget


@pytest.fixture(scope="module")
def lenet() -> Any:
    return zoo.build("lenet", weights=None)


@pytest.fixture(scope="module")
def strange() -> Any:
    """A model with an operation that TensorRT 8.2 has not."""
    import keras

    pixels = keras.Input((8, 8, 1))
    values = keras.layers.Dense(3, activation="sigmoid")(keras.layers.Flatten()(pixels))
    return keras.Model(pixels, keras.layers.Softmax()(values + keras.ops.cast(keras.ops.isinf(values), "float32")))


@pytest.mark.parametrize("target", ONNX_TARGETS)
def test_a_file_that_its_target_takes_is_kept(target: OnnxTarget, lenet: Any, tmp_path: Path) -> None:
    report = to_onnx(lenet, tmp_path / "m.onnx", target=target, verify_file=False)
    assert report.path.exists()
    assert report.card["target"] == target
    said = [note for note in report.notes if "no engine was built" in note]
    assert len(said) == target.startswith("tensorrt")


def test_a_file_that_its_target_does_not_take_is_not_kept(strange: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(ExportError, match=r"TensorRT 8.2 does not take this file: IsInf .*: its list says that it"):
        to_onnx(strange, path, target="tensorrt8", verify_file=False)
    assert list(tmp_path.iterdir()) == []
    assert to_onnx(strange, path, target="tensorrt10", verify_file=False).path.exists()


def test_without_a_target_the_file_is_kept_and_a_note_says_what_does_not_take_it(strange: Any, tmp_path: Path) -> None:
    report = to_onnx(strange, tmp_path / "m.onnx", verify_file=False)
    assert [note for note in report.notes if note.startswith("TensorRT 8.2 does not take this file: IsInf ")]


def test_a_target_is_of_one_format(lenet: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"target 'tensorrt8' takes \.onnx files, not \.tflite"):
        to_tflite(lenet, tmp_path / "m.tflite", target="tensorrt8")
    with pytest.raises(ExportError, match=r"target 'litert' takes \.tflite files, not \.onnx"):
        to_onnx(lenet, tmp_path / "m.onnx", target="litert")
    unknown: Any = "tensorrt7"
    with pytest.raises(ExportError, match="unknown target 'tensorrt7'; give one of litert, .*, tensorrt8, tensorrt10"):
        ExportOptions(target=unknown)


@pytest.mark.parametrize(
    ("form", "formats", "target", "expected"),
    [
        ("onnx", ["tflite", "onnx"], "tensorrt8", "tensorrt8"),
        ("tflite", ["tflite", "onnx"], "tensorrt8", None),
        ("onnx", ["tflite", "onnx"], "litert", None),
        ("tflite", ["tflite"], "tensorrt8", "tensorrt8"),  # which is refused
        ("onnx", ["onnx"], "litert", "litert"),
        ("tflite", ["tflite", "onnx"], None, None),
    ],
)
def test_of_several_formats_the_target_counts_for_its_own(
    form: Format, formats: list[str], target: Any, expected: str | None
) -> None:
    assert of_format(form, formats, {"target": target})["target"] == expected


@pytest.mark.parametrize("command", [["build", "lenet"], ["train", "lenet", "pictures"]])
def test_a_target_of_another_format_is_refused_before_anything_is_made(command: list[str], cli: Cli) -> None:
    refused = cli(*command, "--export", "tflite", "--target", "tensorrt8")
    assert refused.error.startswith("target 'tensorrt8' takes .onnx files, not .tflite; give --export onnx")
