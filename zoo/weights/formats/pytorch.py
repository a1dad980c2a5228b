"""Reads the weights that a PyTorch program wrote to a safetensors file, such as those of timm.

The library `safetensors` checks that the file holds exactly the arrays that its header lists: no array is larger than
the file.
"""

from __future__ import annotations

from pathlib import Path

from zoo.errors import MissingDependencyError, WeightsError, first_line
from zoo.weights.formats.named import PYTORCH, Named

SUFFIX = ".safetensors"


def read(path: Path) -> Named:
    """Reads a safetensors file.

    Raises:
        WeightsError: the file is missing or damaged, or has no weights.
        MissingDependencyError: the library is not installed.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "this needs safetensors, which is not installed: pip install 'edgezoo[tensorflow]'"
        ) from error
    try:
        with safe_open(path, framework="np") as file:
            # PyTorch's counters of batches are no weights.
            found = file.keys()
            arrays = {name: file.get_tensor(name) for name in found if name.rpartition(".")[2] in PYTORCH.parts}
    # The library raises a TypeError for a type of numbers that numpy does not have.
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise WeightsError(f"cannot read weights from {path}: {first_line(error)}") from error
    if not arrays:
        raise WeightsError(f"{path} holds no weights that PyTorch wrote")
    return Named(PYTORCH, arrays)
