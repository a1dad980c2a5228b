"""Keras callbacks of a training; each is of use with plain `model.fit` as well.

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
from zoo.signals import listening


class StopOnNan(keras.callbacks.Callback):
    """Ends a training whose loss became NaN or infinite, before such weights are saved.

    Raises:
        TrainingError: with advice.
    """

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the loss; it is the mean of the epoch so far, in which one NaN shows at once."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            raise TrainingError(
                f"the loss became {float(loss)} at batch {batch + 1}: lower the learning rate (it is {rate:g}; "
                "--learning-rate), or train without mixed precision"
            )


class StopOnSignal(keras.callbacks.Callback):
    """Ends `fit` after the step it is at when Ctrl-C or SIGTERM comes; a second one ends the program at once.

    `stopped` says whether it did, `batches` how many batches of the epoch are done. A signal that was ignored when the
    program began stays ignored, as in a job of a script (`zoo.signals`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False
        self.batches = 0
        self._listening = contextlib.ExitStack()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Listens to the signals."""
        self._listening.enter_context(listening(self._note))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts anew."""
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops where a signal came."""
        self.batches += 1
        if self.stopped:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leaves the signals as they were."""
        self._listening.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True


class Report(keras.callbacks.Callback):
    """Tells a function how far the epoch is: `progress(batch, batches, loss)`."""

    def __init__(self, batches: int, done: int, progress: Callable[[int, int, float], None]) -> None:
        super().__init__()
        self._batches, self._done, self._progress = batches, done, progress

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tells it."""
        self._progress(self._done + batch + 1, self._batches, float((logs or {}).get("loss", math.nan)))
