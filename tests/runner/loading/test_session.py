from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import InputError, MissingDependencyError, ModelFileError
from zoo.runner import TensorInfo, load
from zoo.runner.loading import runtimes
from zoo.tflite.writing.metadata import without_files

if TYPE_CHECKING:
    from tests.conftest import Case, Elsewhere


def test_a_session_describes_its_tensors(lenet: Case) -> None:
    session = load(lenet.file)
    assert session.runtime == "litert"
    assert session.path == lenet.file
    assert session.input.shape == (1, 28, 28, 1)
    assert session.output.shape == (1, 10)
    assert session.input.dtype == session.output.dtype == np.dtype(np.float32)
    assert session.outputs == (session.output,)


# TensorFlow's interpreter recommends LiteRT, which is preferred here, too.
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_runs(lenet: Case, runtime: runtimes.Runtime) -> None:
    session = load(lenet.file, runtime=runtime, threads=1)
    assert session.runtime == runtime
    for picture, expected in zip(lenet.inputs, lenet.scores, strict=True):
        np.testing.assert_allclose(session.run(picture)[0][0], expected, atol=1e-5)
        # This input has the batch axis, and integers.
        np.testing.assert_allclose(session.run(picture[np.newaxis].astype(np.uint8))[0][0], expected, atol=1e-5)


def test_a_result_is_not_overwritten_by_the_next(lenet: Case) -> None:
    session = load(lenet.file)
    (first,) = session.run(lenet.inputs[0])
    kept = first.copy()
    session.run(lenet.inputs[1])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (2, 28, 28, 1), (27, 28, 1), ()])
def test_a_wrong_shape(lenet: Case, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"takes input of shape \(1, 28, 28, 1\), got \("):
        load(lenet.file).run(np.zeros(shape, np.float32))


def test_dequantize() -> None:
    quantized = TensorInfo("scores", (1, 3), np.dtype(np.uint8), scale=0.5, zero_point=10)
    real = quantized.dequantize(np.array([[10, 12, 0]], np.uint8))
    np.testing.assert_array_equal(real, [[0, 1, -5]])
    assert real.dtype == np.float32
    plain = TensorInfo("scores", (1, 3), np.dtype(np.float32), scale=0.0, zero_point=0)
    np.testing.assert_array_equal(plain.dequantize(np.array([1.5], np.float32)), [1.5])


@pytest.mark.parametrize("trusted", [False, True])
def test_the_name_of_an_input_that_is_not_utf8(lenet: Case, tmp_path: Path, trusted: bool) -> None:
    name = load(lenet.file).input.name.encode()
    path = tmp_path / "m.tflite"
    path.write_bytes(without_files(lenet.file.read_bytes()).replace(name, b"\xdc" + name[1:]))
    with pytest.raises(ModelFileError, match=r"m\.tflite is damaged: the name of an input or output is not UTF-8 text"):
        load(path, trusted=trusted)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_name_that_is_not_utf8(lenet: Case, tmp_path: Path, trusted: bool) -> None:
    path = tmp_path / os.fsdecode(b"digits\xff.tflite")
    path.write_bytes(lenet.file.read_bytes())
    with pytest.raises(InputError, match=r"no runtime opens .*, whose name is not UTF-8; rename it"):
        load(path, trusted=trusted)


def test_an_unknown_runtime(lenet: Case) -> None:
    with pytest.raises(InputError, match="unknown runtime 'onnx'; give auto, litert, tflite-runtime, tensorflow"):
        load(lenet.file, runtime="onnx")  # type: ignore[arg-type]


def block(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Makes the import of modules fail, as if they were not installed."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in packages:
            monkeypatch.delitem(sys.modules, name)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_a_runtime_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, lenet: Case) -> None:
    lenet.file  # noqa: B018  # made before its tools go
    block(monkeypatch, "ai_edge_litert", "tflite_runtime")
    with pytest.raises(MissingDependencyError, match=r"litert is not installed .*: pip install ai-edge-litert$"):
        load(lenet.file, runtime="litert")
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgezoo\[tflite-runtime\]'"):
        load(lenet.file, runtime="tflite-runtime")


def test_auto_takes_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interpreter:
        pass

    def installed(*names: str) -> Callable[[str], Any]:
        def module(name: str) -> Any:
            if name in names:
                return SimpleNamespace(Interpreter=Interpreter)
            raise ModuleNotFoundError(name)

        return module

    for there, expected in [
        (("litert", "tflite-runtime", "tensorflow"), "litert"),
        (("tflite-runtime", "tensorflow"), "tflite-runtime"),
        (("tensorflow", "openvino"), "tensorflow"),
    ]:
        monkeypatch.setattr("zoo.runner.loading.runtimes.module", installed(*there))
        name, made = runtimes.find("auto")
        assert (name, made.__name__) == (expected, "Interpreter")
    # One that runs files of the other format is not chosen, nor is OpenVINO ever.
    monkeypatch.setattr("zoo.runner.loading.runtimes.module", installed("onnxruntime"))
    assert runtimes.find("auto", ".onnx")[0] == "onnxruntime"
    with pytest.raises(MissingDependencyError, match="no TFLite runtime is installed: pip install ai-edge-litert"):
        runtimes.find("auto", ".tflite")
    monkeypatch.setattr("zoo.runner.loading.runtimes.module", installed("litert"))
    with pytest.raises(MissingDependencyError, match=r"no runtime of \.onnx files .*: pip install 'edgezoo\[onnxrun"):
        runtimes.find("auto", ".onnx")
    monkeypatch.setattr("zoo.runner.loading.runtimes.module", installed("openvino"))
    with pytest.raises(MissingDependencyError, match="no TFLite runtime is installed: pip install ai-edge-litert"):
        runtimes.find("auto")


def test_threads(monkeypatch: pytest.MonkeyPatch, lenet: Case) -> None:
    asked: list[int] = []
    name, interpreter = runtimes.find("litert")

    def spy(**options: Any) -> Any:
        asked.append(options["num_threads"])
        return interpreter(**options)

    monkeypatch.setattr("zoo.runner.loading.session.find", lambda *_: (name, spy))
    load(lenet.file, threads=3)
    load(lenet.file)
    assert asked == [3, runtimes.default_threads()]
    assert 1 <= runtimes.default_threads() <= 4
    # Thousands of threads would end the process, so the runtime is not even called.
    for number in (0, -1, 257, 100_000):
        with pytest.raises(InputError, match=f"threads={number} is not allowed; give 1 to 256"):
            load(lenet.file, threads=number)
    assert len(asked) == 2


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    with pytest.raises(ModelFileError, match=f"cannot read {path}: No such file or directory"):
        load(path)
    with pytest.raises(ModelFileError, match=f"cannot read {tmp_path}: Is a directory"):
        load(tmp_path)
    for content in (b"", b"TFL3", b"PK\x03\x04 a zip archive", b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=f"{path} is not a .tflite file"):
            load(path)


def test_a_truncated_model(lenet: Case, tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    whole = lenet.file.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match=f"{path}") as caught:
        load(path)
    assert "\n" not in str(caught.value)


PARITY = """
import json, sys
import numpy as np
from zoo.runner import load
session = load(sys.argv[1], runtime="tflite-runtime")
inputs = np.load(sys.argv[2])
print(json.dumps({"runtime": session.runtime, "scores": [session.run(i)[0][0].tolist() for i in inputs]}))
"""


@pytest.mark.slow
def test_auto_in_an_environment_with_tflite_runtime(
    lenet: Case, tflite_runtime_python: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    np.save(tmp_path / "inputs.npy", lenet.inputs)
    found = json.loads(elsewhere(tflite_runtime_python, PARITY, lenet.file, tmp_path / "inputs.npy"))
    assert found["runtime"] == "tflite-runtime"
    np.testing.assert_allclose(found["scores"], lenet.scores, atol=1e-5)


def test_a_runtime_that_gives_up(lenet: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    session = load(lenet.file)

    def invoke() -> None:
        raise RuntimeError("gather index out of bounds\nNode number 3 (GATHER) failed to invoke.")

    monkeypatch.setattr(session, "_interpreter", SimpleNamespace(set_tensor=lambda *_: None, invoke=invoke))
    with pytest.raises(ModelFileError, match=r"litert cannot run .*lenet\.tflite: gather index out of bounds Node"):
        session.run(lenet.inputs[0])
