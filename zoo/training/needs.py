"""Finds out before a training what its end would fail by."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import models, plots
from zoo.errors import OutputError
from zoo.inputs.annotations.look import find_boxes
from zoo.inputs.labelled import find_labelled
from zoo.specs import AUTO
from zoo.system.locks import exclusive
from zoo.training.recipe import SCRATCH
from zoo.training.records.folder import require_new
from zoo.weights.fetch import imagenet
from zoo.weights.formats.files import require_keras_file
from zoo.weights.reading import NONE

if TYPE_CHECKING:
    import keras

_READERS: dict[str, Callable[[Path], object]] = {"classification": find_labelled, "detection": find_boxes}
"""What reads the data of a task, by its name, and says what is wrong with a path that leads to nothing."""
BESIDES = 2_000_000
"""Bytes of a run's other files: plots, events, tables."""


def require_begun(
    model: str | None, data: Path | None, *, out: Path | None, weights: str, recipe: Mapping[str, Any]
) -> None:
    """Refuses what shows at a look, before TensorFlow is imported and pictures are read, which takes long.

    Args:
        model: the model's name in the registry; None for one that is there already.
        data: the data folder or file; None for those of another run.
        out: the run's new folder; None where it is not named, or another worker makes it.
        weights: as in `zoo.training.train`.
        recipe: the fields of the recipe that were given.

    Raises:
        InputError: there are no such data.
        OptionError: a field of the recipe does not allow its value.
        OutputError: the folder is taken, another command writes it, or it cannot be written.
        WeightsError: there are no such weights.
    """
    SCRATCH.change(dict(recipe))
    if out is not None:
        with exclusive(out):
            require_new(out)
    if model is None:
        return
    spec = models.spec(model)
    if data is not None and not data.exists() and spec.task in _READERS:
        _READERS[spec.task](data)
    named = weights in {AUTO, NONE} or imagenet.find(spec, weights) is not None
    if not named and not Path(weights).exists():
        require_keras_file(Path(weights), "weights")


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
