"""The input of integer files: a stored byte is the pixel itself, whatever stands before the first convolution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
import pytest
import tflite

from tests.records import graph, tensor
from tests.records import model as file_of
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.checking.calibration import synthetic
from zoo.export.checking.verify import run_all
from zoo.export.lower.lowering import lower
from zoo.export.tflite.converter import convert
from zoo.export.tflite.entry import Entry, is_meant, require_entry, with_entry
from zoo.export.tflite.settings import Settings
from zoo.graph import NEAR, Scaling, scaling_of
from zoo.runner.loading.session import load
from zoo.tflite import modelfile
from zoo.tflite.writing.front import integers, table, tables

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


@pytest.mark.slow
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


def test_a_zero_point_is_as_near_as_whole_numbers_come() -> None:
    entry = Entry(1 / 127.5, 127.5, "uint8")
    assert entry.zero_point == 127
    assert [entry.describes(1 / 127.5, zero) for zero in (126, 127, 128, 129)] == [False, True, True, False]
    assert not entry.describes(1 / 127, 127)


@pytest.mark.parametrize(("io", "lowest"), [("uint8", 0), ("int8", -128)])
def test_the_range_of_the_input_is_written_along(io: Any, lowest: int) -> None:
    """A file of one uint8 input, which a QUANTIZE reads, whose table of quantization also has a range."""
    b = flatbuffers.Builder(256)
    floats = [b.CreateNumpyVector(np.array([value], np.float32)) for value in (7, 8, 9)]
    zero = b.CreateNumpyVector(np.array([3], np.int64))
    quantization = table(b, {0: floats[0], 1: floats[1], 2: floats[2], 3: zero})
    name = b.CreateString("x")
    tensors = [table(b, {0: integers(b, [1]), 3: name, 4: quantization}, {1: ("Int8", 3)}) for _ in range(2)]
    op = table(b, {1: integers(b, [0]), 2: integers(b, [1])})
    graph = table(
        b, {0: tables(b, tensors[:1] + tensors[1:]), 1: integers(b, [0]), 2: integers(b, [1]), 3: tables(b, [op])}
    )
    code = table(b, {}, {0: ("Int8", 114), 3: ("Int32", 114)})
    root = {1: tables(b, [code]), 2: tables(b, [graph]), 4: tables(b, [table(b)])}
    b.Finish(table(b, root, {0: ("Uint32", 3)}), b"TFL3")
    entry = Entry(0.5, lowest + 10, io)
    changed = with_entry(bytes(b.Output()), entry)
    assert is_meant(changed, entry)
    parameters = tflite.Model.GetRootAs(changed, 0).Subgraphs(0).Tensors(0).Quantization()
    assert [parameters.Scale(0), parameters.ZeroPoint(0)] == [0.5, lowest + 10]
    assert [parameters.Min(0), parameters.Max(0)] == [-5.0, 122.5]
    require_entry(modelfile.parse(changed, Path("m.tflite")), entry)
    with pytest.raises(ExportError, match="and raw pixels need"):
        require_entry(modelfile.parse(changed, Path("m.tflite")), replace(entry, scale=0.6))


def test_the_scale_of_an_input_is_meant_to_a_hundred_thousandth() -> None:
    entry = Entry(0.5, 3.0, "uint8")
    # What float32 makes of a scale is near enough.
    assert entry.describes(0.5 * (1 + 9e-6), 3)
    assert not entry.describes(0.5 * (1 + 2e-5), 3)
    assert [entry.describes(0.5, zero) for zero in (2, 3, 4)] == [False, True, False]
    # Where no whole number stands for 0, both that are next to it do.
    assert [Entry(0.5, -0.5, "int8").describes(0.5, zero) for zero in (-2, -1, 0, 1)] == [False, True, True, False]
    # A half may be off by what counts as rounding.
    assert Entry(0.5, 0.5 + NEAR, "uint8").describes(0.5, 0)


def test_a_scaling_in_int8_lies_128_lower() -> None:
    tf = Scaling(1 / 127.5, -1)
    assert (Entry.of_pixels(tf, "uint8").zero, Entry.of_pixels(tf, "int8").zero) == (127.5, -0.5)
    assert (Entry.of_pixels(tf, "uint8").zero_point, Entry.of_pixels(tf, "int8").zero_point) == (127, -1)
    assert Entry.of_pixels(None, "uint8") == Entry(1.0, 0.0, "uint8")
    assert Entry.of_pixels(None, "int8") == Entry(1.0, -128.0, "int8")


@pytest.mark.parametrize(
    ("dtype", "scales", "zero_points", "fits"),
    [
        ("UINT8", [0.5], [3], True),
        ("INT8", [0.5], [3], False),
        ("FLOAT32", [], [], False),
        ("UINT8", [], [], False),
        ("UINT8", [0.5, 0.5], [3, 3], False),
        ("UINT8", [], [3], False),
        ("UINT8", [0.5, 0.5], [3], False),
        ("UINT8", [0.5], [], False),
        ("UINT8", [0.5], [3, 3], False),
        ("UINT8", [0.5], [5], False),
        ("UINT8", [0.6], [3], False),
    ],
)
def test_an_input_needs_one_scale_and_one_zero_point_and_those_that_are_meant(
    dtype: str, scales: list[float], zero_points: list[int], fits: bool
) -> None:
    stored = tensor(dtype)._replace(scales=np.array(scales, np.float32), zero_points=np.array(zero_points, np.int64))
    # The input is not the first tensor.
    file = file_of(graph([tensor("UINT8", scales=1), stored], inputs=(1,), outputs=(0,)))
    if fits:
        require_entry(file, Entry(0.5, 3.0, "uint8"))
        return
    with pytest.raises(ExportError, match="raw pixels need uint8 with 0.5 and 3; export with --io float32"):
        require_entry(file, Entry(0.5, 3.0, "uint8"))
