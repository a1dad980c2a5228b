"""The input of integer files: a stored byte is the pixel itself, whatever stands before the first convolution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.checking.calibration import synthetic
from zoo.export.checking.verify import run_all
from zoo.export.lower.lowering import lower
from zoo.export.tflite.converter import convert
from zoo.export.tflite.entry import Entry, is_meant, require_entry, with_entry
from zoo.export.tflite.settings import Settings
from zoo.graph import Scaling, scaling_of
from zoo.runner.loading.session import load
from zoo.tflite import modelfile

SHAPE = (16, 16, 3)
PICTURES = synthetic(SHAPE, 48).inputs


def model(prepare: Any) -> Any:
    """A small trained-looking net behind some preparation of its pixels."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(8, 3, activation="relu", bias_initializer="random_normal")(prepare(inputs))
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x), name="prepared")


def entry_of(path: Path) -> tuple[str, list[float], list[int]]:
    graph = modelfile.read(path).main
    tensor = graph.tensors[graph.inputs[0]]
    return tensor.dtype, list(map(float, tensor.scales)), list(map(int, tensor.zero_points))


PREPARATIONS = {
    "tf": keras.applications.mobilenet_v2.preprocess_input,
    "caffe": keras.applications.resnet.preprocess_input,
    "torch": keras.applications.densenet.preprocess_input,
    # Nothing stored stands for 0 in 1..2, so no input can carry that scaling.
    "one to two": keras.layers.Rescaling(1 / 255, offset=1.0),
    # Two scalings of the same pixels: taking either out would change the other.
    "two scalings": lambda x: keras.layers.Concatenate()(
        [keras.layers.Rescaling(1 / 255)(x), keras.layers.Rescaling(1 / 127.5, offset=-1)(x)]
    ),
}


@pytest.mark.parametrize(
    ("name", "io"), [("tf", "uint8"), ("caffe", "uint8"), ("caffe", "int8"), ("torch", "uint8"), ("one to two", "int8")]
)
def test_the_stored_byte_is_the_pixel(name: str, io: Any, tmp_path: Path) -> None:
    prepared = model(PREPARATIONS[name])
    report = to_tflite(prepared, tmp_path / "m.tflite", quantize="int8", io=io, calibration=PICTURES)
    lowest = -128 if io == "int8" else 0
    dtype, scales, zero_points = entry_of(report.path)
    assert (dtype, zero_points) == (io.upper(), [lowest])
    assert scales == pytest.approx([1.0])
    # By hand, past the runner: bytes in, scores out.
    session = load(report.path)
    stored = (PICTURES[:24].astype(np.int32) + lowest).astype(io)
    found = [session.output.dequantize(session.run(one)[0])[0] for one in stored]
    wanted = np.asarray(prepared(PICTURES[:24]))
    assert np.abs(np.stack(found) - wanted).mean() < 0.03
    assert (np.stack(found).argmax(1) == wanted.argmax(1)).mean() > 0.85


def test_a_scaling_that_others_read_past_stays_in_the_graph(tmp_path: Path) -> None:
    two = model(PREPARATIONS["two scalings"])
    assert scaling_of(two) is None
    report = to_tflite(two, tmp_path / "m.tflite", quantize="int8", calibration=PICTURES)
    assert entry_of(report.path) == ("UINT8", [1.0], [0])
    assert report.verification
    assert report.verification.max_diff < 0.1


def test_entries_of_scalings() -> None:
    assert Entry.of_pixels(None, "uint8").zero_point == 0
    assert Entry.of_pixels(None, "int8").zero_point == -128
    assert Entry.of_pixels(Scaling(1 / 255, 0), "uint8").zero_point == 0
    half = Entry.of_pixels(Scaling(1 / 127.5, -1), "uint8")
    assert half.zero_point == 127
    assert half.describes(2 / 255, 127)
    assert half.describes(2 / 255, 128)
    assert not half.describes(2 / 255, 126)
    assert not half.describes(1 / 255, 127)
    assert not Scaling(1 / 255, 1.0).is_carried
    assert not Scaling(1 / 255, -1.5).is_carried
    with pytest.raises(ExportError, match="cannot scale pixels"):
        Entry.of_pixels(Scaling(1 / 255, 1.0), "uint8")


@pytest.fixture(scope="module")
def caffe() -> bytes:
    """What the converter makes of a mean by channel: an input whose range the operation behind it has widened."""
    return convert(lower(model(PREPARATIONS["caffe"])), Settings("int8", "uint8"), PICTURES)


def test_an_input_that_means_other_pixels_is_refused(caffe: bytes, tmp_path: Path) -> None:
    meant = Entry.of_pixels(None, "uint8")
    assert not is_meant(caffe, meant)
    (tmp_path / "m.tflite").write_bytes(caffe)
    with pytest.raises(ExportError, match=r"takes uint8 with scale \[1\.48.*raw pixels need uint8 with 1 and 0"):
        require_entry(modelfile.read(tmp_path / "m.tflite"), meant)
    mended = with_entry(caffe, meant)
    assert is_meant(mended, meant)
    (tmp_path / "m.tflite").write_bytes(mended)
    require_entry(modelfile.read(tmp_path / "m.tflite"), meant)
    with pytest.raises(ExportError, match="takes uint8"):
        require_entry(modelfile.read(tmp_path / "m.tflite"), Entry.of_pixels(None, "int8"))
    session = load(tmp_path / "m.tflite")
    (scores,) = run_all(session, PICTURES[:8], pixels=True)
    assert np.abs(scores - np.asarray(model(PREPARATIONS["caffe"])(PICTURES[:8]))).mean() < 0.03


def test_only_an_input_in_front_of_a_quantize_is_changed(caffe: bytes) -> None:
    as_int8 = with_entry(caffe, replace(Entry.of_pixels(None, "uint8"), io="int8"))
    with pytest.raises(ExportError, match="whose scale cannot be set"):
        with_entry(as_int8, Entry.of_pixels(None, "uint8"))
