"""Runs the tests with an installed wheel, maybe without TensorFlow; `make matrix` uses `-p tests.installed`.

A test that needs an extra that is not installed is skipped, and the package must be the installed one.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

import zoo
from zoo.errors import MissingDependencyError

# For each module of an extra, the error if it is missing.
OPTIONAL = {
    "tensorflow": "edgezoo[tensorflow]",
    "keras": "edgezoo[tensorflow]",
    "matplotlib": "matplotlib",
    "openvino": "edgezoo[openvino]",
    "onnx": "edgezoo[onnx]",
    "onnxruntime": "edgezoo[onnxruntime]",
    "tf2onnx": "edgezoo[onnx]",
    "cv2": "edgezoo[camera]",
    "starlette": "edgezoo[serve]",
    "uvicorn": "edgezoo[serve]",
    "prometheus_client": "edgezoo[serve]",
    "netron": "edgezoo[view]",
    "tflite_runtime": "edgezoo[tflite-runtime]",
    "mlxtend": "mlxtend",
}


def absent(error: BaseException) -> str | None:
    """Returns the optional module that is not installed and caused the error; None if it is another error."""
    for module, told in OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == module:
                return module
            if isinstance(error, MissingDependencyError) and re.search(rf"pip install '?{re.escape(told)}", str(error)):
                return module
    return None


def pytest_configure() -> None:
    """Refuses to run on a checkout, because the wheel is to be tested."""
    if not Path(zoo.__file__).is_relative_to(sys.prefix):
        raise pytest.UsageError(f"{zoo.__file__} is not of the environment {sys.prefix}")


def _skipping() -> Generator[None, object, object]:
    try:
        return (yield)
    except (ModuleNotFoundError, MissingDependencyError) as error:
        if module := absent(error):
            pytest.skip(f"needs {module}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Skips a test if a fixture needs a missing extra."""
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Skips a test that needs a missing extra."""
    return (yield from _skipping())
