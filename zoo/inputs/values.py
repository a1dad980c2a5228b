"""Inputs of models that do not take pictures: `.npy` and `.csv` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError
from zoo.files import is_endless

SUFFIXES = {".npy", ".csv"}
"""Of the files that `load_values` reads."""


def load_values(path: str | Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Reads one input.

    Args:
        path: a `.npy` file, or a `.csv` file of numbers with one row a step (one row in all for a vector).
        shape: without the batch.

    Returns:
        `shape`, float32.

    Raises:
        InputError: the file cannot be read, its shape is another, or a value is not a finite number.
    """
    path = Path(path)
    try:
        if is_endless(path):
            raise InputError(f"{path} is no file but a named pipe or a device")
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if values.shape == (1, *shape):
        values = values[0]
    if values.shape != shape:
        raise InputError(f"{path} holds values of shape {values.shape}, the model takes {shape}")
    values = np.asarray(values, dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds values that are not finite numbers")
    return values
