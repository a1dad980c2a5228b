"""The interface between the training loop and the feeds."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from zoo.inputs.labelled import SplitName

Array = npt.NDArray[Any]


class Feed(Protocol):
    """A model, or a part of it, with the examples that it is trained on."""

    @property
    def model(self) -> Any:
        """The part of the model that is trained, or the whole model; the loop compiles it."""

    def fit(self, epoch: int, skip: int, callbacks: list[Any]) -> dict[str, float]:
        """Trains for an epoch.

        Args:
            epoch: the index of the epoch over all stages, counted from 0.
            skip: the number of its batches that are already finished.
            callbacks: Keras callbacks.

        Returns:
            The mean `loss` and the mean of each metric of the task.
        """

    def evaluate(self) -> dict[str, float] | None:
        """Returns the loss and the metrics on the validation files; None if there are none."""

    def known_outputs(self, split: SplitName) -> Array | None:
        """Returns the model's outputs `(count, ...)` for a split if cached features give them, else None."""
