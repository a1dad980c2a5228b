"""Reads the names of operations and types from TensorFlow's schema, as the package `tflite` has it."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from zoo.errors import MissingDependencyError


@functools.cache
def op_names() -> dict[int, str]:
    """Returns the names of the built-in operations by their codes."""
    return _names("BuiltinOperator")


@functools.cache
def type_names() -> dict[int, str]:
    """Returns the names of the data types by their codes."""
    return _names("TensorType")


def _names(enum: str) -> dict[int, str]:
    """Returns the names of an enum of TensorFlow's schema by their values."""
    package = importlib.util.find_spec("tflite")
    if package is None or not package.submodule_search_locations:  # a base dependency
        raise MissingDependencyError("the package tflite is not installed: pip install tflite")
    # Only the one module is imported: the package imports about 200, which takes 0.05 to 0.2 s of every `zoo run`.
    path = Path(package.submodule_search_locations[0], f"{enum}.py")
    spec = importlib.util.spec_from_file_location(f"_tflite_{enum}", path)
    assert spec is not None  # noqa: S101  # a name that ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {value: name for name, value in vars(getattr(module, enum)).items() if isinstance(value, int)}
