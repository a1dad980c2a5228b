"""Finds out before a training what its end would fail by."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import plots
from zoo.errors import OutputError

if TYPE_CHECKING:
    import keras

BESIDES = 2_000_000
"""Bytes of a run's other files: plots, events, tables."""


def require_ready(folder: Path, model: keras.Model) -> None:
    """Checks that the plots can be drawn and that the disk has room for the run.

    Args:
        folder: the run's folder, which need not exist.
        model: the model to train.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: the disk has less room than the run needs at least.
    """
    plots.require(folder / "curves.png")
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    needed, free = least_bytes(model), shutil.disk_usage(there).free
    if free < needed:
        raise OutputError(
            f"{folder} needs {needed / 1e6:,.0f} MB at least for the model and its checkpoint, and the disk has "
            f"{free / 1e6:,.0f} MB left; make room, or choose a folder on another disk with --out"
        )


def least_bytes(model: keras.Model) -> int:
    """Returns the least bytes that a run of a model takes: the best model, the checkpoint, and the one it replaces."""
    return 3 * 4 * int(model.count_params()) + BESIDES
