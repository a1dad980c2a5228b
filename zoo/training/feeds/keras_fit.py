"""Feeds for one device, which train and evaluate a model by Keras' `fit` and `evaluate`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.data.pipeline import make_dataset
from zoo.inputs.labelled import SplitName
from zoo.text import count_of
from zoo.training.setup import Setup

Array = npt.NDArray[Any]


class WholeModel:
    """Trains the whole model on the examples."""

    def __init__(self, setup: Setup) -> None:
        self.model = setup.model
        self._data, self._objective = setup.data, setup.objective

    def fit(self, epoch: int, skip: int, callbacks: list[Any]) -> dict[str, float]:
        """See `Feed`."""
        targets, weights = self._objective.targets, self._objective.weights
        self._data.order.epoch = epoch
        dataset = self._data.train.skip(skip) if skip else self._data.train
        dataset = dataset.map(
            (lambda examples, labels: (examples, targets(labels), weights(labels)))
            if weights
            else (lambda examples, labels: (examples, targets(labels)))
        )
        return _last(self.model.fit(dataset, verbose=0, shuffle=False, callbacks=callbacks))

    def evaluate(self) -> dict[str, float] | None:
        """See `Feed`."""
        if self._data.validation is None:
            return None
        targets = self._objective.targets
        dataset = self._data.validation.map(lambda examples, labels: (examples, targets(labels)))
        found: dict[str, float] = self.model.evaluate(dataset, verbose=0, return_dict=True)
        return found

    def known_outputs(self, split: SplitName) -> Array | None:
        """Returns None: the whole model has to be run."""
        return None


class CachedFeatures:
    """Trains the head alone on features, which the frozen body computes once for each example."""

    def __init__(self, setup: Setup) -> None:
        """Splits the model, and computes the features of the training files."""
        self._body, self.model = setup.task.split_at_head(setup.model)
        self._data, self._objective = setup.data, setup.objective
        self._batch_size = setup.recipe.batch_size
        self._at_once = min(self._batch_size, len(self._data.sources["train"]))
        """The number of examples for which features are computed at a time, always the same."""
        self._known: dict[SplitName, Array] = {}
        self._held_out: Any = None
        """The batches of the validation files, once they are needed."""
        setup.watch.note(f"computing the features of {count_of(len(self._data.sources['train']), 'picture')}, once")
        self._features("train")

    def fit(self, epoch: int, skip: int, callbacks: list[Any]) -> dict[str, float]:
        """See `Feed`."""
        labels = self._data.sources["train"].labels
        order = dataclasses.replace(self._data.order, epoch=epoch).next()[0][skip * self._batch_size :]
        examples: tuple[Any, ...] = self._features("train")[order], self._targets(labels[order])
        if self._objective.weights is not None:
            examples += (np.asarray(self._objective.weights(labels[order])),)
        return _last(self.model.fit(self._batches(examples), verbose=0, shuffle=False, callbacks=callbacks))

    def evaluate(self) -> dict[str, float] | None:
        """See `Feed`."""
        if not len(self._data.sources["validation"]):
            return None
        if self._held_out is None:
            labels = self._data.sources["validation"].labels
            self._held_out = self._batches((self._features("validation"), self._targets(labels)))
        found: dict[str, float] = self.model.evaluate(self._held_out, verbose=0, return_dict=True)
        return found

    def known_outputs(self, split: SplitName) -> Array | None:
        """Returns the head's outputs on the features."""
        found: Array = self.model.predict(self._features(split), batch_size=self._batch_size, verbose=0)
        return found

    def _features(self, split: SplitName) -> Array:
        if split not in self._known:
            source = self._data.sources[split]
            batches = make_dataset(source, self._at_once).map(lambda examples, _: self._filled(examples))
            found: Array = self._body.predict(batches, verbose=0)
            self._known[split] = found[: len(source)]
        return self._known[split]

    def _batches(self, examples: tuple[Any, ...]) -> Any:
        """Returns batches of features, targets and weights; arrays, Keras would trace functions for in every epoch."""
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(examples).batch(self._batch_size)

    def _filled(self, examples: Any) -> Any:
        """Fills the last batch with zeros: for a smaller one, TensorFlow would trace the whole body again."""
        import tensorflow as tf

        missing = self._at_once - tf.shape(examples)[0]
        filled = tf.pad(examples, [[0, missing], *[[0, 0]] * (examples.shape.rank - 1)])
        return tf.ensure_shape(filled, (self._at_once, *examples.shape[1:]))

    def _targets(self, labels: Array) -> Any:
        import keras

        return keras.tree.map_structure(np.asarray, self._objective.targets(labels))


def _last(fitted: Any) -> dict[str, float]:
    return {name: values[-1] for name, values in fitted.history.items()}
