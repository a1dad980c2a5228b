"""ONNX files of every model of the registry, and of layers that become other operations, answer as Keras does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from keras import layers

import zoo
from tests.export.conftest import MATRIX
from tests.narrow import narrow
from zoo import models
from zoo.export import to_onnx
from zoo.export.checking.calibration import synthetic
from zoo.export.checking.verify import run_all
from zoo.export.options import ExportOptions
from zoo.onnx import support
from zoo.onnx.reading.file import read
from zoo.runner.loading.session import load

CORRELATION = {"none": 0.99999, "float16": 0.9995, "int8": 0.85}
"""Smallest correlation of all scores with Keras', with random weights."""
DETECTORS = ("ssdlite_mobilenet_v2", "ssdlite_mobilenet_v1", "ssdlite_mobilenet_v3", "ssd_mobilenet_v2")
CELLS = [
    pytest.param(
        name, quantize, marks=[] if quantize == "none" or name in {"lenet", "mobilenet_v2"} else pytest.mark.long
    )
    for name in MATRIX
    if name != "alexnet"
    for quantize in ("none", "float16", "int8")
]
"""Every classifier in every mode; most modes at length."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "lrn": ("alexnet", {"input_size": 67, "lrn": True}),
    "average": ("vgg16", {"input_size": 32, "head": "average"}),
    "large": ("mobilenet_v3", {"variant": "large", "alpha": 0.75, "input_size": 32}),
}
"""Options that change operations."""


def _correlation(path: Path, expected: Any, inputs: Any, *, pixels: bool) -> float:
    (scores,) = run_all(load(path, trusted=True), inputs, pixels=pixels)
    return float(np.corrcoef(scores.ravel(), np.asarray(expected).ravel())[0, 1])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quantize"), CELLS)
def test_every_classifier(matrix: Any, tmp_path: Path, name: str, quantize: str) -> None:
    model, inputs = matrix.model(name), matrix.inputs(name)
    target = "tensorrt8" if quantize == "none" else None
    report = to_onnx(
        model,
        tmp_path / "m.onnx",
        quantize=quantize,
        target=target,
        calibration=synthetic(model.input_shape[1:], 20).inputs,
        verify_file=False,
    )
    assert (
        _correlation(report.path, matrix.keras_scores(name), inputs, pixels=name != "conv1d") >= CORRELATION[quantize]
    )
    assert support.judge(read(report.path), "onnxruntime").takes


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [DETECTORS[0], *(pytest.param(name, marks=pytest.mark.long) for name in DETECTORS[1:])]
)
def test_every_detector(tmp_path: Path, name: str) -> None:
    report = to_onnx(zoo.build(name, num_classes=3, input_size=96), tmp_path / "m.onnx", target="tensorrt8")
    assert report.verification
    assert report.verification.agreement.share >= 0.95
    assert report.verification.max_diff < 1e-2


def test_the_registry_is_whole() -> None:
    assert {name.removeprefix("narrow-").partition("-")[0] for name in MATRIX} | {*DETECTORS} == {*models.list_models()}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_options_that_change_operations(tmp_path: Path, name: str) -> None:
    published, options = VARIANTS[name]
    with narrow():
        model = zoo.build(published, num_classes=10, **options)
    report = to_onnx(model, tmp_path / "m.onnx", verify_file=False)
    inputs = synthetic(model.input_shape[1:], 8, seed=1).inputs
    assert _correlation(report.path, model(inputs), inputs, pixels=True) >= CORRELATION["none"]


def _grouped(x: Any) -> Any:
    return layers.Conv2D(12, 3, groups=4)(layers.Conv2D(8, 3)(x))


def _channels(x: Any) -> Any:
    return layers.Rescaling([0.01, 0.02, 0.03], offset=[-1.0, -2.0, -3.0])(x[..., ::-1])


def _normalized(x: Any) -> Any:
    return layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(8, 3, dilation_rate=2)(x))


def _resized(x: Any) -> Any:
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(4, 3, strides=2, padding="same")(x))
    return layers.UpSampling2D(2)(x)


def _gated(x: Any) -> Any:
    x = layers.Conv2D(8, 3, activation="hard_silu")(x)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, gate])


def _activated(x: Any) -> Any:
    kinds = ("silu", "gelu", "leaky_relu", "elu", "tanh", "softplus", "sigmoid")
    return layers.Concatenate()([layers.Conv2D(2, 3, activation=kind)(x) for kind in kinds])


def _pooled(x: Any) -> Any:
    x = layers.ZeroPadding2D(((1, 0), (0, 1)))(layers.SeparableConv2D(6, 3)(x))
    return layers.MaxPooling2D(3, 2, padding="same")(layers.AveragePooling2D(3, 2, padding="same")(x))


LAYERS: dict[str, Callable[[Any], Any]] = {
    one.__name__.strip("_"): one for one in (_grouped, _channels, _normalized, _resized, _gated, _activated, _pooled)
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_become_other_operations(tmp_path: Path, name: str) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = layers.Flatten()(LAYERS[name](layers.Rescaling(1 / 127.5, offset=-1)(inputs)))
    model = keras.Model(inputs, layers.Dense(5, activation="softmax", bias_initializer="ones")(x))
    report = to_onnx(model, tmp_path / "m.onnx", verify_file=False)
    pixels = synthetic((16, 16, 3), 8, seed=1).inputs
    (found,) = run_all(load(report.path, trusted=True), pixels, pixels=True)
    np.testing.assert_allclose(found, np.asarray(model(pixels)), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [layers.LSTM(5), layers.GRU(5), layers.Bidirectional(layers.LSTM(3))])
def test_recurrent_layers_are_unrolled(tmp_path: Path, layer: Any) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", bias_initializer="ones")(layer(inputs)))
    windows = np.random.default_rng(0).normal(size=(20, 6, 4)).astype(np.float32)
    report = to_onnx(model, tmp_path / "m.onnx", calibration=windows)
    assert not {node.op_type for node in onnx.load(report.path).graph.node} & {"Loop", "Scan", "If"}
    (found,) = run_all(load(report.path, trusted=True), windows, pixels=False)
    np.testing.assert_allclose(found, np.asarray(model(windows)), atol=1e-5)
    assert "layout" not in report.card


def test_onnx_options_leave_groups_whole() -> None:
    assert not ExportOptions(format="onnx", quantize="int8").split_groups
