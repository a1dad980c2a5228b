"""ONNX files: opset 13, static shapes, raw pixels in, labels and card inside, checked in ONNX Runtime against Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from PIL import Image

import zoo
from tests import colours
from tests.branches import Aware
from zoo.errors import ExportError, MissingDependencyError, VerificationError
from zoo.export import ExportReport, to_onnx
from zoo.export.checking.calibration import synthetic
from zoo.export.checking.verify import run_all
from zoo.export.onnx import graph as onnx_graph
from zoo.onnx.card import is_sealed, read_metadata, read_props
from zoo.onnx.reading import outline
from zoo.runner import Classifier, Detector
from zoo.runner.loading.session import load
from zoo.tflite import detectors

Made = Callable[..., ExportReport]


@pytest.fixture(scope="module")
def net() -> Any:
    """A LeNet of three classes whose biases are not zero."""
    model = zoo.build("lenet", num_classes=3, channels=3)
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(np.random.default_rng(0).normal(scale=0.1, size=weight.shape))
    return model


@pytest.fixture(scope="module")
def exported(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A function that exports LeNet with options, once for each."""
    return _maker(net, tmp_path_factory.mktemp("lenet"), synthetic(net.input_shape[1:], 40).inputs, ["a", "b", "c"])


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A function that exports the detector of colours with options, once for each."""
    return _maker(colours.detector(), tmp_path_factory.mktemp("colours"), colours.pictures(), colours.LABELS[:3])


def _maker(model: Any, folder: Path, calibration: Any, labels: list[str]) -> Made:
    reports: dict[str, ExportReport] = {}

    def export(**options: Any) -> ExportReport:
        key = "-".join(map(str, options.values())) or "plain"
        if key not in reports:
            path = folder / f"{key}.onnx"
            reports[key] = to_onnx(model, path, calibration=calibration, labels=labels, **options)
        return reports[key]

    return export


def _shape(value: Any) -> list[int]:
    return [axis.dim_value for axis in value.type.tensor_type.shape.dim]


def _ops(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.slow
def test_a_file_has_opset_13_static_shapes_and_names_of_layers(exported: Made) -> None:
    model = onnx.load(exported().path)
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 13)]
    assert (model.producer_name, model.producer_version) == ("edgezoo", zoo.__version__)
    graph = model.graph
    assert [(one.name, _shape(one), one.type.tensor_type.elem_type) for one in (*graph.input, *graph.output)] == [
        ("input", [1, 3, 28, 28], TensorProto.FLOAT),
        ("softmax", [1, 3], TensorProto.FLOAT),
    ]
    assert all(_shape(one) and min(_shape(one)) >= 1 for one in graph.value_info)
    assert {"conv1/BiasAdd", "conv1/Relu", "logits/MatMul_Gemm"} <= {node.name for node in graph.node}


@pytest.mark.slow
def test_labels_and_card_are_in_the_properties(exported: Made) -> None:
    report = exported()
    props = outline.read_props(report.path)
    found = read_props(props, report.path)
    assert found.labels == ("a", "b", "c")
    assert found.card == report.card
    assert is_sealed(props, report.path) == "right"
    chosen = {name: found.card[name] for name in ("format", "opset", "layout", "target", "task", "weights", "quantize")}
    assert chosen == {
        "format": "onnx",
        "opset": 13,
        "layout": "nchw",
        "target": "onnxruntime",
        "task": "classification",
        "weights": "trained",
        "quantize": "none",
    }
    assert found.card["verification"]["runtime"] == "onnxruntime"
    assert found.card["verification"]["top1"] == 1.0
    assert {"tf2onnx", "onnx", "onnxruntime"} <= set(found.card["made_with"])


@pytest.mark.slow
def test_the_same_model_gives_the_same_file(exported: Made, net: Any, tmp_path: Path) -> None:
    again = to_onnx(
        net, tmp_path / "plain.onnx", calibration=synthetic(net.input_shape[1:], 40).inputs, labels=["a", "b", "c"]
    )
    first, second = onnx.load(exported().path), onnx.load(again.path)
    assert first.graph.SerializeToString(deterministic=True) == second.graph.SerializeToString(deterministic=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"layout": "nhwc"}, {"batch": 3}, {"quantize": "float16"}], ids=str)
def test_raw_pixels_give_the_answers_of_keras(exported: Made, net: Any, options: dict[str, Any]) -> None:
    report = exported(**options)
    inputs = synthetic(net.input_shape[1:], 7, seed=3).inputs
    (found,) = run_all(load(report.path), inputs, pixels=True)
    np.testing.assert_allclose(found, np.asarray(net(inputs)), atol=5e-3 if "quantize" in options else 1e-5)
    batch = options.get("batch", 1)
    shape = [batch, 28, 28, 3] if options.get("layout") == "nhwc" else [batch, 3, 28, 28]
    assert _shape(onnx.load(report.path).graph.input[0]) == shape


def test_the_runner_reads_a_picture_into_either_layout(exported: Made, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    first, second = (
        Classifier(exported(**options).path).classify(tmp_path / "noise.png") for options in ({}, {"layout": "nhwc"})
    )
    assert [one.label for one in first] == [one.label for one in second]
    np.testing.assert_allclose([one.score for one in first], [one.score for one in second], atol=1e-5)


def test_a_float16_file_is_half_the_size_with_float32_ends(exported: Made) -> None:
    plain, half = exported(), exported(quantize="float16")
    assert half.bytes < 0.6 * plain.bytes
    graph = onnx.load(half.path).graph
    assert {one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)} == {TensorProto.FLOAT}
    kinds = {one.name: one.data_type for one in graph.initializer}
    weights = [node.input[1] for node in graph.node if node.op_type in {"Conv", "MatMul"}]
    assert {kinds[name] for name in weights} == {TensorProto.FLOAT16}
    # A half float would round what 1/127.5 is.
    scaling = [kinds[node.input[1]] for node in graph.node if node.name.startswith("rescale/") and len(node.input) > 1]
    assert scaling
    assert set(scaling) == {TensorProto.FLOAT}


@pytest.mark.slow
def test_an_int8_file_has_a_scale_for_each_channel_and_float32_ends(exported: Made) -> None:
    report = exported(quantize="int8")
    graph = onnx.load(report.path).graph
    assert {one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)} == {TensorProto.FLOAT}
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}
    for conv in (node for node in graph.node if node.op_type == "Conv"):
        kernel = maker[conv.input[1]]
        assert kernel.op_type == "DequantizeLinear"
        assert weights[kernel.input[0]].dtype == np.int8
        assert weights[kernel.input[1]].shape == weights[kernel.input[0]].shape[:1]
        assert maker[conv.input[0]].op_type == "DequantizeLinear"
    assert report.card["calibration"]["count"] > 0
    assert report.verification
    assert report.verification.held_out
    assert report.verification.agreement.share >= 0.85


@pytest.mark.slow
def test_for_tensorrt_activations_have_no_zero_points(exported: Made) -> None:
    def points(target: str) -> set[int]:
        graph = onnx.load(exported(quantize="int8", target=target).path).graph
        values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        read = [values[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
        return {int(point) for one in read for point in one.ravel()}

    assert points("tensorrt8") == {0}
    assert points("onnxruntime") != {0}


@pytest.mark.slow
def test_one_scale_for_all_channels_where_that_is_asked_for(exported: Made) -> None:
    graph = onnx.load(exported(quantize="int8", per_tensor=True).path).graph
    kinds = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    assert {kinds[node.input[1]].size for node in graph.node if node.op_type == "DequantizeLinear"} == {1}


def test_logits_lack_the_softmax(exported: Made, net: Any) -> None:
    report = exported(logits=True)
    assert "Softmax" not in _ops(report.path)
    assert [one.name for one in onnx.load(report.path).graph.output] == ["logits"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"quantize": "dynamic"}, "'dynamic' is for .tflite files; .onnx files have none, float16, int8"),
        ({"quantize": "int16x8"}, "'int16x8' is for .tflite files"),
        ({"quantize": "int8", "io": "uint8"}, "--io"),
        ({"quantize": "int8", "keep_float": ("conv1",)}, "--keep-float"),
        ({"quantize": "int8", "calibration_method": "mse"}, "--calibration-method"),
        ({"target": "litert"}, "takes .tflite files, not .onnx; give one of tensorrt8, tensorrt10, onnxruntime"),
        ({"nms": "file", "target": "tensorrt8"}, "nms='file' is for ONNX Runtime"),
        ({"layout": "chw"}, "unknown layout 'chw'; give one of nchw, nhwc"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_options_of_other_formats_are_refused(net: Any, tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ExportError) as error:
        to_onnx(net, tmp_path / "m.onnx", **options)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_file_that_disagrees_is_not_kept(net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = onnx_graph.convert

    def turned(*arguments: Any, **options: Any) -> Any:
        proto = whole(*arguments, **options)
        last = next(one for one in reversed(proto.graph.initializer) if one.name.startswith("logits"))
        last.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(last), last.name))
        return proto

    path = tmp_path / "m.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr("zoo.export.onnx.exporter.onnx_graph.convert", turned)
    with pytest.raises(VerificationError, match=r"m\.onnx .* as Keras on .*it was not kept"):
        to_onnx(net, path)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"older"]


@pytest.mark.parametrize("name", onnx_graph.PACKAGES)
def test_without_the_extra_there_is_one_line(
    net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("zoo.export.onnx.graph.PACKAGES", (*onnx_graph.PACKAGES, f"{name}_missing"))
    with pytest.raises(MissingDependencyError) as error:
        to_onnx(net, tmp_path / "m.onnx")
    assert str(error.value) == (
        f"writing .onnx files needs {name}_missing, which is not installed: pip install 'edgezoo[onnx]'"
    )


@pytest.mark.slow
def test_ranges_that_were_learnt_are_for_tflite_files(aware_lenet: Aware, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"was trained for int8, and an \.onnx file cannot hold the ranges"):
        to_onnx(aware_lenet.aware, tmp_path / "m.onnx", quantize="int8")
    report = to_onnx(aware_lenet.aware, tmp_path / "m.onnx")
    assert report.card["quantize"] == "none"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_what_tf2onnx_cannot_convert_is_one_line_with_the_layer(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Lambda(lambda x: keras.ops.fft2((x, x))[0], name="spectrum", output_shape=(8, 8, 3))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x)), name="odd")
    with pytest.raises(ExportError, match=r"tf2onnx cannot convert odd: .*; leave such layers out") as error:
        to_onnx(model, tmp_path / "m.onnx")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quantize", ["none", "float16", "int8"])
def test_a_detector_finds_what_keras_finds(finder: Made, tmp_path: Path, quantize: str) -> None:
    report = finder(quantize=quantize)
    assert report.verification
    assert report.verification.agreement.share >= 0.95
    assert [one.name for one in onnx.load(report.path).graph.output] == ["boxes", "scores"]
    assert detectors.NAME in read_metadata(outline.read_props(report.path), report.path)
    _require_finds(report.path, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_detector_may_decode_its_boxes_in_the_file(finder: Made, tmp_path: Path, quantize: str) -> None:
    report = finder(quantize=quantize, nms="file")
    graph = onnx.load(report.path).graph
    assert [(one.name, _shape(one)) for one in graph.output] == [
        ("boxes", [1, 100, 4]),
        ("classes", [1, 100]),
        ("scores", [1, 100]),
        ("count", [1]),
    ]
    assert "NonMaxSuppression" in _ops(report.path)
    assert report.card["nms"]["by"] == "file"
    _require_finds(report.path, tmp_path)


def _require_finds(path: Path, folder: Path) -> None:
    """Requires that a file finds what the pictures of colours show, each in its column."""
    detector = Detector(path)
    for picture, pixels in zip(colours.save(folder, 4), colours.pictures(4), strict=True):
        found = {(one.label, round((one.box.left + 1.5) // colours.CELL)) for one in detector.detect(picture)}
        assert found == {(label, column) for label, _, column in colours.truth(pixels)}
