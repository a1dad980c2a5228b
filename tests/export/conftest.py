"""Models and files that several export tests use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests import colours
from tests.narrow import narrow
from tests.shallow import shallow_resnet
from tests.spread import spread
from zoo.export import ExportReport, to_tflite
from zoo.export.checking.calibration import synthetic
from zoo.export.options import MODES
from zoo.weights import is_untrained

MATRIX: dict[str, dict[str, Any]] = {
    "mlp": {},
    "lenet": {},
    "conv1d": {},
    "alexnet": {"input_size": 95, "num_classes": 10},
    "narrow-alexnet": {"input_size": 95, "num_classes": 10},
    "mobilenet_v2": {"alpha": 0.35, "input_size": 96, "num_classes": 10},
    "mobilenet_v1": {"alpha": 0.25, "input_size": 64, "num_classes": 10},
    "mobilenet_v3": {"variant": "small_minimalistic", "alpha": 0.5, "input_size": 64, "num_classes": 10},
    "mobilenet_v3-small": {"variant": "small", "alpha": 0.5, "input_size": 64, "num_classes": 10},
    "narrow-vgg16": {"input_size": 32, "num_classes": 10},
    "narrow-efficientnet_lite": {"input_size": 64, "num_classes": 10},
    "narrow-mobilenet_v4": {"input_size": 64, "num_classes": 10},
    "narrow-resnet": {"input_size": 64, "num_classes": 10},
    "narrow-resnet-18": {"variant": 18, "input_size": 64, "num_classes": 10},
}
WIDE = ("none", "int8")
"""The modes of AlexNet as it is published; the narrow one, see `tests.narrow`, has the others.

VGG-16 has no layers that LeNet and AlexNet do not have: two modes are enough.
"""
CELLS: dict[str, tuple[str, ...]] = {
    "alexnet": WIDE,
    "narrow-alexnet": tuple(mode for mode in MODES if mode not in WIDE),
    # TensorFlow has no hard-swish for int16x8; the minimalistic variants have all modes.
    "mobilenet_v3-small": tuple(mode for mode in MODES if mode != "int16x8"),
    "narrow-vgg16": WIDE,
}
AT_ONCE = ("mlp", "lenet", "conv1d", "narrow-alexnet", "mobilenet_v2", "narrow-vgg16")
"""Models of which `make test` tries every mode; of the others it tries those of `WIDE`, of the wide AlexNet none."""


def long(name: str, mode: str) -> bool:
    """Whether a cell of the matrix is left to `make test-long`."""
    return name == "alexnet" or (name not in AT_ONCE and mode not in WIDE)


class Matrix:
    """Every model in every mode, exported when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._models: dict[str, Any] = {}
        self._scores: dict[str, np.ndarray[Any, Any]] = {}

    def model(self, name: str) -> Any:
        if name not in self._models:
            import keras

            keras.utils.set_random_seed(0)
            published = name.removeprefix("narrow-").partition("-")[0]
            with narrow() if name.startswith("narrow-") else contextlib.nullcontext(), shallow_resnet():
                self._models[name] = zoo.build(published, **MATRIX[name])
            if published == "resnet":
                # Its sums grow from block to block: without this the softmax names one class always.
                spread(self._models[name], self.inputs(name))
        return self._models[name]

    def inputs(self, name: str) -> np.ndarray[Any, Any]:
        return synthetic(self.model(name).input_shape[1:], 8, seed=1).inputs

    def keras_scores(self, name: str) -> np.ndarray[Any, Any]:
        if name not in self._scores:
            self._scores[name] = np.asarray(self.model(name)(self.inputs(name), training=False))
        return self._scores[name]

    def file(self, name: str, mode: str) -> Path:
        path = self.folder / f"{name}-{mode}.tflite"
        if not path.exists():
            model = self.model(name)
            # A model whose weights were changed counts as trained, and is calibrated on what it is given.
            given = None if is_untrained(model) else synthetic(model.input_shape[1:], 40).inputs
            to_tflite(model, path, quantize=mode, verify_file=False, calibration=given)
        return path


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return Matrix(tmp_path_factory.mktemp("matrix"))


Made = Callable[..., ExportReport]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A function that exports the detector of colours in a mode, with other options, once for each."""
    folder = tmp_path_factory.mktemp("colours")
    reports: dict[str, ExportReport] = {}

    def export(quantize: str = "none", **options: Any) -> ExportReport:
        key = "-".join([quantize, *map(str, options.values())])
        if key not in reports:
            reports[key] = to_tflite(
                colours.detector(),
                folder / f"{key}.tflite",
                quantize=quantize,
                calibration=colours.pictures(),
                labels=colours.LABELS[:3],
                **options,
            )
        return reports[key]

    return export


def cells() -> list[tuple[str, str]]:
    """(model, mode) for every cell of the matrix."""
    return [(name, mode) for name in MATRIX for mode in CELLS.get(name, MODES)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"matrix_model", "matrix_mode"} <= set(metafunc.fixturenames):
        found = [
            pytest.param(*cell, id="-".join(cell), marks=pytest.mark.long if long(*cell) else ()) for cell in cells()
        ]
        metafunc.parametrize(("matrix_model", "matrix_mode"), found)
