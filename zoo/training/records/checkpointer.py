"""Writes the best model and the checkpoints of a training, without taking much of its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from zoo.files.writing import atomic
from zoo.training.records import checkpoint
from zoo.training.records.checkpoint import TrainState

if TYPE_CHECKING:
    import keras

MODEL = "model.keras"
"""Name of the best model's file in the run's folder."""

WRITING = 0.1
"""Largest fraction of the training time that writing checkpoints may take.

An epoch that trains a head on cached features can be shorter than one write. An epoch that takes longer than ten
writes always gets its checkpoint."""

SMALL_BYTES = 64_000_000
"""Size of weights up to which a copy of the best ones is kept, so that the file need not be read and built again."""

Array = npt.NDArray[Any]


class Checkpointer:
    """Writes a checkpoint after an epoch when one is due, and the best model before the state that names it.

    So the files always fit together, even after a kill: the model is the best one of the state, or of a later epoch,
    which is trained again with the same result. Only the state of a finished training may come first; see `write`.
    """

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        full_precision: Callable[[], keras.Model] | None = None,
        *,
        every_epoch: bool = False,
        writes: bool = True,
    ) -> None:
        """Prepares for the first epoch.

        Args:
            folder: the run's folder, which must exist.
            model: the model that is trained.
            full_precision: returns the model to save, if it is not the trained one itself (mixed precision).
            every_epoch: whether to write after each epoch, however short it is.
            writes: whether this process writes at all; only one of several workers does.
        """
        self.folder = folder
        self._model, self._full_precision = model, full_precision
        self._every_epoch, self._writes = every_epoch, writes
        self._best: list[Array] | None = None
        """The best weights while they are not yet on disk."""
        self._kept: list[Array] | None = None
        """The best weights, where they are small and those of an epoch of this process."""
        self._due = 0.0

    def epoch(self, optimizer: Any, state: TrainState, *, better: bool) -> None:
        """Records an epoch, and writes a checkpoint if one is due.

        Args:
            optimizer: the model's optimizer.
            state: the progress of the training.
            better: whether the current model is the best so far.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if not self._writes:
            return
        due = self._every_epoch or time.perf_counter() >= self._due
        if better:
            # The weights are copied only if they are written later, or if a copy costs less than reading the file.
            small = sum(4 * math.prod(weight.shape) for weight in self._model.weights) <= SMALL_BYTES
            weights = None if due and not small else self._model.get_weights()
            self._best = None if due else weights
            self._kept = weights if small else None
            if due:
                self.save_model()
        if due:
            self.write(optimizer, state)

    def write(self, optimizer: Any, state: TrainState, *, best: bool = True) -> None:
        """Writes the best model and the state.

        Args:
            optimizer: the model's optimizer.
            state: the progress of the training.
            best: False at the end of a training whose model is about to be calibrated and written anyway. If that does
                not happen, `resume` finds the best weights in the state, and writes them.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if not self._writes:
            return
        started = time.perf_counter()
        if best:
            self.write_best()
        checkpoint.save(self.folder, self._model, optimizer, state)
        ended = time.perf_counter()
        self._due = ended + (ended - started) / WRITING

    def write_best(self) -> None:
        """Writes the best model, if it is not yet on disk.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if self._best is None:
            return
        now = self._model.get_weights()
        self._model.set_weights(self._best)
        try:
            self.save_model()
        finally:
            self._model.set_weights(now)

    @property
    def waits(self) -> bool:
        """Whether the best model is not yet on disk."""
        return self._best is not None

    def best_weights(self) -> list[Array] | None:
        """Returns the weights of the best model; None in a process that does not write them."""
        from zoo.weights import load_model

        if not self._writes:
            return None
        known = self._kept if self._best is None else self._best
        if known is not None:
            return known
        found: list[Array] = load_model(self.folder / MODEL).get_weights()
        return found

    def save_model(self) -> None:
        """Writes the model as it is now as the best one.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        with atomic(self.folder / MODEL) as scratch:
            (self._full_precision() if self._full_precision else self._model).save(scratch)
        self._best = None
