"""Both ways of conversion, and converters that fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.lower.lowering import lower
from zoo.export.tflite import converter as convert_module
from zoo.export.tflite.converter import convert_in_memory, convert_on_disk
from zoo.export.tflite.isolation import unusual
from zoo.export.tflite.order import in_model_order
from zoo.export.tflite.settings import Settings
from zoo.runner.loading.session import load
from zoo.tflite import modelfile


@pytest.fixture(scope="module")
def lowered() -> Any:
    return lower(zoo.build("lenet"))


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "converter"), [("none", "cold_converter"), ("int8", "warm_converter")])
def test_both_ways_give_the_same_file(
    mode: Any, converter: str, request: pytest.FixtureRequest, lowered: Any, tmp_path: Path
) -> None:
    request.getfixturevalue(converter)
    samples = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 1)).astype(np.float32)
    settings = Settings(mode, "uint8" if mode == "int8" else "float32")
    results, ops = [], []
    for i, way in enumerate((convert_in_memory, convert_on_disk)):
        path = tmp_path / f"{i}.tflite"
        path.write_bytes(way(lowered, settings, samples))
        file = modelfile.read(path)
        assert not any(tensor.dynamic for tensor in file.main.tensors)
        ops.append([op.name for op in file.main.ops])
        session = load(path)
        results.append(session.run(session.input.store(samples[:1], pixels=True))[0])
    assert ops[0] == ops[1]
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["none", "int8"])
def test_a_saved_model_keeps_the_order_of_many_outputs(mode: Any, tmp_path: Path) -> None:
    """A model with twelve outputs of one shape; in the order of their names, the tenth would be the second."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    model = lower(keras.Model(inputs, [keras.layers.Dense(2, name=f"head{-i % 7}_{i}")(inputs) for i in range(12)]))
    samples = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    path = tmp_path / "m.tflite"
    path.write_bytes(convert_on_disk(model, Settings(mode), samples))
    session = load(path)
    found = [info.dequantize(one) for info, one in zip(session.outputs, session.run(samples[0]), strict=True)]
    for ours, theirs in zip(found, model(samples[:1]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 if mode == "none" else 0.1)


def test_an_order_that_is_lost_is_an_error(lowered: Any) -> None:
    import keras

    outputs = keras.layers.Dense(2)(lowered.inputs[0][:, 0, 0]), keras.layers.Dense(3)(lowered.inputs[0][:, 0, 0])
    flatbuffer = convert_in_memory(keras.Model(lowered.inputs[0], outputs), Settings())
    with pytest.raises(ExportError, match="the converter lost the order of 2 outputs: its file names none"):
        in_model_order(flatbuffer)
    one = convert_in_memory(lowered, Settings())
    assert in_model_order(one) is one


def test_large_models_take_the_way_over_the_disk(lowered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_module, "convert_on_disk", lambda *_: b"disk")
    assert convert_module.convert(lowered, Settings()) != b"disk"
    monkeypatch.setattr(convert_module, "LARGE_BYTES", 1000)
    assert convert_module.convert(lowered, Settings()) == b"disk"


def test_nothing_is_printed(lowered: Any, capfd: pytest.CaptureFixture[str]) -> None:
    convert_in_memory(lowered, Settings())
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_killed_converter_gets_another_message_than_a_failing_one(
    lowered: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = sys.executable

    def stand_in(script: str) -> None:
        program = tmp_path / "python"
        job = "pathlib.Path(json.loads(sys.argv[-1])['order']['folder'])"
        program.write_text(f"#!{python}\nimport json, os, signal, sys, pathlib\njob = {job}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    stand_in("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ExportError, match="the memory ran out"):
        convert_on_disk(lowered, Settings())
    stand_in("print('LLVM ERROR: no'); os.abort()")
    with pytest.raises(ExportError, match=r"ended with status -6"):
        convert_on_disk(lowered, Settings())
    stand_in("(job / 'error.txt').write_text('no such op'); sys.exit(1)")
    with pytest.raises(ExportError, match="TensorFlow cannot convert lenet: no such op"):
        convert_on_disk(lowered, Settings())


def test_calibrated_modes_need_samples(lowered: Any) -> None:
    with pytest.raises(ExportError, match="int8 needs calibration samples"):
        convert_in_memory(lowered, Settings("int8", "uint8"))


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.export.preparing.verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        to_tflite(zoo.build("mlp"), tmp_path / "sub" / "m.tflite")
    assert not list((tmp_path / "sub").iterdir())


@pytest.mark.slow
def test_augmentation_in_the_graph_is_in_no_file(tmp_path: Path) -> None:
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 3))
    x = layers.GaussianNoise(0.9)(layers.RandomRotation(0.5)(layers.RandomFlip()(pixels)))
    model = keras.Model(pixels, layers.Dense(3, "softmax")(layers.Flatten()(layers.Rescaling(1 / 255)(x))))
    inputs = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)
    assert unusual(model) == []
    for way in (convert_in_memory, convert_on_disk):
        path = tmp_path / f"{way.__name__}.tflite"
        path.write_bytes(way(lower(model), Settings()))
        (found,) = load(path).run(inputs)
        np.testing.assert_allclose(found, model(inputs, training=False), atol=1e-5)
