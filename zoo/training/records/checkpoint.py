"""The checkpoint of a training: one file with all that is needed to continue as if the training had never stopped.

It holds the weights, the random seeds of the layers, the optimizer with its step count and learning rate, and the
progress: stage, epoch, finished batches, best result so far, and history. It is written whole or not at all.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import InputError, first_line
from zoo.files.reading import is_endless
from zoo.files.writing import atomic
from zoo.inputs import npy
from zoo.system.archives import open_archive

if TYPE_CHECKING:
    import keras

FILE = "state.npz"

_STATE = "place"
"""Name of the part of the file that holds the `TrainState`."""


@dataclass
class TrainState:
    """The progress of a training."""

    stage: int = 0
    epoch: int = 0
    """Index of the current epoch within its stage, counted from 0; between epochs, that of the next one."""
    batches: int = 0
    """Number of batches finished in the current epoch."""
    epochs_done: int = 0
    """Number of epochs finished in all stages."""
    best: list[float] | None = None
    """The best result of all epochs so far on the validation files: the monitored metric, with a minus sign if lower
    is better, then the negative loss."""
    best_epoch: int = 0
    """Number of the epoch with the best result, counted from 1 over all stages."""
    waited: int = 0
    """Number of epochs of this stage since the last better result."""
    lowest_loss: float | None = None
    """The lowest validation loss of this stage, for the plateau schedule."""
    loss_waited: int = 0
    """Number of epochs of this stage since the lowest validation loss, or since the learning rate was halved."""
    done: bool = False
    """Whether the last stage has ended."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One row for each epoch."""


def save(folder: Path, model: keras.Model, optimizer: Any, state: TrainState) -> None:
    """Writes the checkpoint, and replaces the former one in a single step.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    arrays = {f"model{i}": np.asarray(v) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer{i}": np.asarray(v) for i, v in enumerate(optimizer.variables)}
    arrays[_STATE] = np.frombuffer(json.dumps(asdict(state)).encode(), np.uint8)
    with atomic(folder / FILE) as scratch, scratch.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _most_bytes(name: str) -> int | None:
    """Returns the largest size of a part of the file in bytes; None for a part that does not belong there."""
    return sys.maxsize if re.fullmatch(rf"(model\d+|optimizer\d+|{_STATE})\.npy", name) else None


def row_types(columns: Iterable[str]) -> dict[str, type]:
    """Returns the fields of a row of the history with their types, in the order of the table.

    Args:
        columns: the fields with the loss and the metrics; see `zoo.training.tasks.columns`.
    """
    return {"epoch": int, "stage": str} | dict.fromkeys(("seconds", "learning_rate", *columns), float)


def state_from(values: dict[str, Any], columns: Iterable[str]) -> TrainState:
    """Builds the progress from the values in a file.

    Args:
        values: the values, as JSON has them.
        columns: as in `row_types`.

    Raises:
        TypeError, ValueError: the values are not valid.
    """
    state, types = TrainState(**values), row_types(columns)
    best, lowest = state.best, state.lowest_loss
    counts = (state.stage, state.epoch, state.batches, state.epochs_done, state.best_epoch, state.waited)
    sound = (
        all(isinstance(count, int) and count >= 0 for count in (*counts, state.loss_waited))
        and isinstance(state.done, bool)
        and (lowest is None or isinstance(lowest, float))
        and (best is None or (isinstance(best, list) and [type(value) for value in best] == [float, float]))
        and isinstance(state.history, list)
        and all(
            isinstance(row, dict) and {key: type(value) for key, value in row.items()} == types for row in state.history
        )
        and len(state.history) == state.epochs_done
    )
    if not sound:
        raise ValueError("it does not hold the progress of a training of this task")
    return state


class Checkpoint:
    """A checkpoint that was read from its file."""

    def __init__(self, folder: Path, columns: Iterable[str]) -> None:
        """Reads the checkpoint of a run.

        Args:
            folder: the run's folder.
            columns: as in `row_types`.

        Raises:
            InputError: there is none, or it is damaged.
        """
        path = folder / FILE
        try:
            if is_endless(path):
                raise InputError(f"{path} is no file but a named pipe or a device")
            with path.open("rb") as content, open_archive(content, _most_bytes) as archive:
                self._arrays = {}
                for part in archive.infolist():
                    with archive.open(part) as stream:
                        self._arrays[part.filename.removesuffix(".npy")] = npy.read(stream, part.file_size)
            self.state = state_from(json.loads(self._arrays.pop(_STATE).tobytes()), columns)
        except FileNotFoundError as error:
            raise InputError(f"{folder} holds no training to continue: there is no {FILE}") from error
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise InputError(f"{path} is damaged: {first_line(error)}") from error

    def restore_model(self, model: keras.Model) -> None:
        """Restores the weights and the random seeds.

        Raises:
            InputError: the checkpoint does not fit the model.
        """
        self._assign("model", model.variables)

    def restore_optimizer(self, optimizer: Any) -> None:
        """Restores the optimizer's variables; the optimizer must be built.

        Raises:
            InputError: the checkpoint does not fit the optimizer.
        """
        self._assign("optimizer", optimizer.variables)

    def _assign(self, kind: str, variables: list[Any]) -> None:
        arrays = [self._arrays[key] for key in (f"{kind}{i}" for i in range(len(variables))) if key in self._arrays]
        if [a.shape for a in arrays] != [tuple(v.shape) for v in variables]:
            raise InputError(f"the saved {kind} does not fit: it was made by another version, or the run was changed")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
