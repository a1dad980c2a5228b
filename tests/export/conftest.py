"""Models and files that several export tests look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.export import to_tflite
from zoo.export.calibration import synthetic
from zoo.export.quantize import MODES

MATRIX: dict[str, dict[str, Any]] = {
    "mlp": {},
    "lenet": {},
    "conv1d": {},
    "alexnet": {"input_size": 95, "num_classes": 10},
    "mobilenet_v2": {"alpha": 0.35, "input_size": 96, "num_classes": 10},
    "vgg16": {"input_size": 32, "num_classes": 10},
}


class Matrix:
    """Every model in every mode, exported when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._models: dict[str, Any] = {}

    def model(self, name: str) -> Any:
        if name not in self._models:
            import keras

            keras.utils.set_random_seed(0)
            self._models[name] = zoo.build(name, **MATRIX[name])
        return self._models[name]

    def inputs(self, name: str) -> np.ndarray[Any, Any]:
        return synthetic(self.model(name).input_shape[1:], 8, seed=1).inputs

    def keras_scores(self, name: str) -> np.ndarray[Any, Any]:
        return np.asarray(self.model(name)(self.inputs(name), training=False))

    def file(self, name: str, mode: str) -> Path:
        path = self.folder / f"{name}-{mode}.tflite"
        if not path.exists():
            to_tflite(self.model(name), path, quantize=mode, verify_file=False)  # type: ignore[arg-type]
        return path


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return Matrix(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """scikit-learn's 1,797 digits as 28x28 pictures 0..255, and what they are."""
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    pictures = [
        np.asarray(Image.fromarray((image * 255 / 16).astype(np.uint8).reshape(8, 8)).resize((28, 28)))
        for image in small
    ]
    return np.stack(pictures)[..., np.newaxis].astype(np.float32), labels.astype(np.int64)


@pytest.fixture(scope="session")
def trained_lenet(digits: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> Any:
    """A LeNet that knows the digits."""
    import keras

    keras.utils.set_random_seed(0)
    pictures, labels = digits
    model = zoo.build("lenet")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pictures[:1500], labels[:1500], epochs=6, batch_size=32, verbose=0)
    assert model.evaluate(pictures[1500:], labels[1500:], verbose=0)[1] > 0.85
    return model


@pytest.fixture(scope="session")
def digits_folder(
    tmp_path_factory: pytest.TempPathFactory, digits: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
) -> Path:
    """Class folders `0` to `9` with twelve PNG files each."""
    folder = tmp_path_factory.mktemp("digits")
    pictures, labels = digits
    for digit in range(10):
        (folder / str(digit)).mkdir()
        for i, picture in enumerate(pictures[labels == digit][:12]):
            Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(digit) / f"{i}.png")
    return folder


def modes() -> list[Any]:
    """(model, mode) for every cell of the matrix."""
    return [pytest.param(name, mode, id=f"{name}-{mode}") for name in MATRIX for mode in MODES]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"matrix_model", "matrix_mode"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("matrix_model", "matrix_mode"), modes())
