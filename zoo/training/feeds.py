"""Trains and evaluates a model for an epoch with Keras' `fit`, on one device or several devices of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from zoo.data.pipeline import Order, make_dataset
from zoo.graph import split_at_head
from zoo.inputs.labelled import SplitName
from zoo.training.stages import Stage

if TYPE_CHECKING:
    from zoo.training.loop import Trainer

Array = npt.NDArray[Any]


class Feed(Protocol):
    """A model with the examples that it is trained on."""

    model: Any
    """The part of the model that is trained, or the whole model."""

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        """Trains for an epoch.

        Args:
            epoch: the index of the epoch over all stages, counted from 0.
            skip: the number of its batches that are already finished.
            callbacks: Keras callbacks.
            weights: the class weights.

        Returns:
            The mean `loss` and `accuracy`.
        """

    def evaluate(self) -> dict[str, float] | None:
        """Returns loss and accuracy on the validation files; None if there are none."""


class Pictures:
    """Trains the whole model on the examples."""

    def __init__(self, trainer: Trainer) -> None:
        self.model = trainer.model
        self._data = trainer.data

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        """See `Feed`."""
        self._data.order.epoch = epoch
        dataset = _one_hot(self._data.train.skip(skip) if skip else self._data.train, len(self._data.class_names))
        return _last(self.model.fit(dataset, verbose=0, shuffle=False, class_weight=weights, callbacks=callbacks))

    def evaluate(self) -> dict[str, float] | None:
        """See `Feed`."""
        if self._data.validation is None:
            return None
        dataset = _one_hot(self._data.validation, len(self._data.class_names))
        found: dict[str, float] = self.model.evaluate(dataset, verbose=0, return_dict=True)
        return found


class Features:
    """Trains the head alone on features, which the frozen layers compute once for each example."""

    def __init__(self, trainer: Trainer, stage: Stage) -> None:
        self._body, self.model = split_at_head(trainer.model)
        self._data, self._batch_size, self._seed = trainer.data, trainer.recipe.batch_size, trainer.recipe.seed
        self._known: dict[SplitName, Array] = {}
        trainer.watch.note(f"computing the features of {len(self._data.sources['train'])} pictures, once")
        self._features("train")

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        """See `Feed`."""
        features, labels = self._features("train"), self._labels("train")
        order = Order(len(labels), self._seed, epoch).next()[0][skip * self._batch_size :]
        fitted = self.model.fit(
            features[order],
            labels[order],
            batch_size=self._batch_size,
            verbose=0,
            shuffle=False,
            class_weight=weights,
            callbacks=callbacks,
        )
        return _last(fitted)

    def evaluate(self) -> dict[str, float] | None:
        """See `Feed`."""
        if self._data.validation is None:
            return None
        found: dict[str, float] = self.model.evaluate(
            self._features("validation"),
            self._labels("validation"),
            batch_size=self._batch_size,
            verbose=0,
            return_dict=True,
        )
        return found

    def predict(self, split: SplitName) -> Array:
        """Returns the model's scores for the files of a split: `(count, classes)`."""
        return np.asarray(self.model.predict(self._features(split), batch_size=self._batch_size, verbose=0))

    def _features(self, split: SplitName) -> Array:
        if split not in self._known:
            batches = make_dataset(self._data.sources[split], self._batch_size)
            self._known[split] = self._body.predict(batches.map(lambda examples, _: examples), verbose=0)
        return self._known[split]

    def _labels(self, split: SplitName) -> Array:
        return np.eye(len(self._data.class_names), dtype=np.float32)[self._data.sources[split].labels]


def _one_hot(dataset: Any, classes: int) -> Any:
    import tensorflow as tf

    return dataset.map(lambda examples, labels: (examples, tf.one_hot(labels, classes)))


def _last(fitted: Any) -> dict[str, float]:
    return {name: values[-1] for name, values in fitted.history.items()}
