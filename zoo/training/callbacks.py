"""Keras callbacks of a training; each works with plain `model.fit` as well.

    model.fit(..., callbacks=[StopOnNan(), StopOnSignal()])

This module imports Keras.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from types import FrameType
from typing import Any

import keras

from zoo.errors import TrainingError
from zoo.system.signals import listening


class StopOnNan(keras.callbacks.Callback):
    """Ends a training whose loss became NaN or infinite, before such weights are saved.

    Raises:
        TrainingError: the loss became NaN or infinite; the message gives advice.
    """

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the loss, which is the mean of the epoch so far, so that one NaN shows at once."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            raise TrainingError(
                f"the loss became {float(loss)} at batch {batch + 1}: lower the learning rate (it is {rate:g}; "
                "--learning-rate), or train without mixed precision"
            )


class StopOnSignal(keras.callbacks.Callback):
    """Ends `fit` after the current step when Ctrl-C or SIGTERM comes; a second signal ends the program at once.

    `stopped` is whether a signal came, `batches` the number of finished batches of the epoch. A signal that was ignored
    when the program began stays ignored, as in a job of a script (`zoo.system.signals`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False
        self.batches = 0
        self._listening = contextlib.ExitStack()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begins to handle the signals."""
        self._listening.enter_context(listening(self._note))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the batches from 0 again."""
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the batch, and stops the training if a signal came."""
        self.batches += 1
        if self.stopped:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Restores the former handlers of the signals."""
        self._listening.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True


class Report(keras.callbacks.Callback):
    """Reports the progress of an epoch to a function, as `progress(batch, batches, loss)`."""

    def __init__(self, batches: int, done: int, progress: Callable[[int, int, float], None]) -> None:
        super().__init__()
        self._batches, self._done, self._progress = batches, done, progress

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Reports the batch."""
        self._progress(self._done + batch + 1, self._batches, float((logs or {}).get("loss", math.nan)))
