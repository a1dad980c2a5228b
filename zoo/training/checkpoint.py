"""Keeps the best model and the state of a training on disk, without taking much of its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from zoo.files import atomic
from zoo.training import state

if TYPE_CHECKING:
    import keras

MODEL = "model.keras"
"""The best model so far, in the run's folder."""

SHARE = 0.1
"""Largest share of the training time that writing checkpoints may take.

An epoch that trains a head on cached features can be shorter than one write. An epoch that takes longer than ten
writes always gets its checkpoint."""

Array = npt.NDArray[Any]


class Keeper:
    """Writes after an epoch where it is time to, the best model before the state that names it.

    So whatever a kill leaves goes together: the model is the state's best, or that of a later epoch, which is trained
    again to the same result.
    """

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        plain: Callable[[], keras.Model] | None = None,
        *,
        each: bool = False,
        writes: bool = True,
    ) -> None:
        """Gets ready.

        Args:
            folder: of the run; it has to be there.
            model: that learns.
            plain: gives the model to save, where that is another than the one that learns (mixed precision).
            each: whether all is written after each epoch, however short.
            writes: whether this process writes at all; of several workers one does.
        """
        self.folder = folder
        self._model, self._plain, self._each, self._writes = model, plain, each, writes
        self._best: list[Array] | None = None
        """The best weights, as long as they are not on disk."""
        self._due = 0.0

    def epoch(self, optimizer: Any, place: state.Place, *, better: bool) -> None:
        """Takes note of an epoch, and writes all if it is time to.

        Args:
            optimizer: of the model.
            place: where the training is.
            better: whether the model as it is now is the best so far.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if not self._writes:
            return
        due = self._each or time.perf_counter() >= self._due
        if better:
            # Copied only where it has to wait for its turn.
            self._best = None if due else self._model.get_weights()
            if due:
                self._save_model()
        if due:
            self.write(optimizer, place)

    def write(self, optimizer: Any, place: state.Place) -> None:
        """Writes all.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if not self._writes:
            return
        started = time.perf_counter()
        self.write_best()
        state.save(self.folder, self._model, optimizer, place)
        ended = time.perf_counter()
        self._due = ended + (ended - started) / SHARE

    def write_best(self) -> None:
        """Writes the best model, if it is not on disk.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        if self._best is None:
            return
        now = self._model.get_weights()
        self._model.set_weights(self._best)
        try:
            self._save_model()
        finally:
            self._model.set_weights(now)
        self._best = None

    def best_weights(self) -> list[Array] | None:
        """Returns the weights of the best model; None in a process that does not write them."""
        from zoo.weights import load_model

        if not self._writes:
            return None
        if self._best is not None:
            return self._best
        found: list[Array] = load_model(self.folder / MODEL).get_weights()
        return found

    def _save_model(self) -> None:
        with atomic(self.folder / MODEL) as scratch:
            (self._plain() if self._plain else self._model).save(scratch)
