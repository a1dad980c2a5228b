"""What the loop trains on one device, or on several of one machine, with Keras' own `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from zoo.data import Data
from zoo.data.pipeline import Order, make_dataset
from zoo.training.stages import Stage, split_at_head

if TYPE_CHECKING:
    import keras

    from zoo.training.loop import Trainer

Array = npt.NDArray[Any]


class Feed(Protocol):
    """A model and what it learns from."""

    model: Any
    """What learns: the whole model, or a part of it."""

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        """Trains for an epoch.

        Args:
            epoch: which of all, counted from 0.
            skip: batches of it that are done already.
            callbacks: of Keras.
            weights: of the classes.

        Returns:
            The mean `loss` and `accuracy`.
        """

    def evaluate(self) -> dict[str, float] | None:
        """Loss and accuracy on the validation files; None where there are none."""


class Pictures:
    """The whole model, on pictures."""

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
    """The head alone, on what the frozen rest says to each picture, computed once."""

    def __init__(self, trainer: Trainer, stage: Stage) -> None:
        body, self.model = split_at_head(trainer.model)
        data, recipe = trainer.data, trainer.recipe
        self._batch_size, self._seed, self._classes = recipe.batch_size, recipe.seed, len(data.class_names)
        trainer.watch.note(f"computing the features of {len(data.sources['train'])} pictures, once")
        self._train = self._features(body, data, "train")
        self._validation = self._features(body, data, "validation") if data.validation is not None else None

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        """See `Feed`."""
        features, labels = self._train
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
        if self._validation is None:
            return None
        found: dict[str, float] = self.model.evaluate(
            *self._validation, batch_size=self._batch_size, verbose=0, return_dict=True
        )
        return found

    def _features(self, body: keras.Model, data: Data, split: Any) -> tuple[Array, Array]:
        source = data.sources[split]
        dataset = make_dataset(source, self._batch_size)
        labels = np.eye(self._classes, dtype=np.float32)[source.labels]
        return body.predict(dataset.map(lambda examples, _: examples), verbose=0), labels


def _one_hot(dataset: Any, classes: int) -> Any:
    import tensorflow as tf

    return dataset.map(lambda examples, labels: (examples, tf.one_hot(labels, classes)))


def _last(fitted: Any) -> dict[str, float]:
    return {name: values[-1] for name, values in fitted.history.items()}
