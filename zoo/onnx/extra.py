"""Imports the packages of the extra `onnx`, and says what to install where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from zoo.errors import MissingDependencyError

INSTALL = "pip install 'edgezoo[onnx]'"


def module(name: str, purpose: str) -> Any:
    """Returns a module of the extra.

    Args:
        name: its full name, such as `onnx.numpy_helper`.
        purpose: what it is needed for, as the beginning of a sentence, such as `reading an .onnx file`.

    Raises:
        MissingDependencyError: it is not installed; the message says what to type.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(f"{purpose} needs {name.partition('.')[0]}: {INSTALL}") from error
