"""The loop: stage by stage, epoch by epoch, with all that is needed to go on saved after each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from zoo.data import Data
from zoo.data.pipeline import Order, make_dataset
from zoo.errors import TrainingStopped
from zoo.files import atomic
from zoo.training import state
from zoo.training.recipe import Recipe
from zoo.training.stages import HEAD, Stage, prepare, split_at_head

if TYPE_CHECKING:
    import keras

MODEL = "model.keras"
"""The best model so far, in the run's folder."""

Array = npt.NDArray[Any]
Row = dict[str, Any]


class Watch(Protocol):
    """Is told how a training goes."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """After each batch; all counted from 1."""

    def epoch(self, row: Row) -> None:
        """After each epoch: its row of the history."""

    def note(self, text: str) -> None:
        """What the user should know."""


class Silent:
    """A `Watch` that does nothing."""

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, row: Row) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class Trainer:
    """Trains a model in the stages of a plan. `place` says where it is."""

    def __init__(
        self,
        model: keras.Model,
        data: Data,
        recipe: Recipe,
        stages: list[Stage],
        folder: Path,
        *,
        watch: Watch,
        keep: Callable[[], keras.Model] | None = None,
    ) -> None:
        """Gets ready.

        Args:
            model: to train, in place.
            data: as `zoo.data.load` gives it, with the recipe's augmentation.
            recipe: what is in force.
            stages: of `plan`.
            folder: of the run; it has to be there.
            watch: is told how it goes.
            keep: gives the model to save, where that is another than the one that learns (mixed precision).
        """
        self.model, self.data, self.recipe, self.stages, self.folder = model, data, recipe, stages, folder
        self.place = state.Place()
        self._watch = watch
        self._keep = keep or (lambda: model)
        self._weights = data.class_weights if recipe.balance else None

    def run(self, saved: state.Saved | None = None) -> None:
        """Trains to the end; from where `saved` was, where it is given.

        Raises:
            TrainingStopped: Ctrl-C or SIGTERM came; the state is saved.
            TrainingError: the loss is no number any more; the state of the last epoch is saved.
            OutputError: the folder cannot be written.
        """
        if saved is not None:
            self.place = saved.place
        while not self.place.done:
            self._run_stage(self.stages[self.place.stage], saved)
            saved = None

    def _run_stage(self, stage: Stage, saved: state.Saved | None) -> None:
        place = self.place
        batches = -(-len(self.data.sources["train"]) // self.recipe.batch_size)
        prepare(self.model, stage, batches)
        if saved is not None:
            saved.restore_model(self.model)
        feed = _Features(self, stage) if stage.name == HEAD else _Pictures(self)
        optimizer = self._optimizer(stage, batches)
        _compile(feed.model, optimizer, self.recipe)
        inner = feed.model.optimizer  # wrapped, where the precision is mixed
        inner.build(feed.model.trainable_variables)
        if saved is not None:
            saved.restore_optimizer(inner)
        while place.epoch < stage.epochs and not (self.recipe.patience and place.waited >= self.recipe.patience):
            self._run_epoch(stage, feed, batches)
        # The next stage, and whoever comes after the last, begins with the best.
        self._load_best()
        place.stage, place.epoch, place.waited, place.lowest_loss, place.loss_waited = place.stage + 1, 0, 0, None, 0
        place.done = place.stage == len(self.stages)
        if place.done:
            self._save(inner)
        else:
            self._watch.note(f"stage {stage.name!r} ends; best so far: epoch {place.best_epoch}")

    def _run_epoch(self, stage: Stage, feed: _Feed, batches: int) -> None:
        from zoo.training.callbacks import Report, StopOnNan, StopOnSignal

        place = self.place
        started = time.perf_counter()
        stop = StopOnSignal()
        report = Report(batches, place.batches, lambda *seen: self._watch.batch(stage, place.epochs_done + 1, *seen))
        fitted = feed.fit(place.epochs_done, place.batches, [StopOnNan(), stop, report], self._weights)
        inner = feed.model.optimizer
        if stop.stopped:
            place.batches += stop.batches
            self._save(inner)
            raise TrainingStopped(
                f"stopped in epoch {place.epochs_done + 1} after batch {place.batches} of {batches}; all is saved, "
                f"go on with: zoo train --resume {self.folder}"
            )
        seen = feed.evaluate() or fitted
        row: Row = {
            "epoch": place.epochs_done + 1,
            "stage": stage.name,
            "seconds": round(time.perf_counter() - started, 3),
            "learning_rate": float(np.asarray(inner.learning_rate)),
            "loss": float(fitted["loss"]),
            "accuracy": float(fitted["accuracy"]),
            "val_loss": float(seen["loss"]),
            "val_accuracy": float(seen["accuracy"]),
        }
        place.epoch, place.batches, place.epochs_done = place.epoch + 1, 0, place.epochs_done + 1
        place.history.append(row)
        self._judge(row, inner)
        self._save(inner)
        self._watch.epoch(row)

    def _judge(self, row: Row, optimizer: Any) -> None:
        """Keeps the best model, and looks after early stopping and the plateau schedule."""
        place, result = self.place, [row["val_accuracy"], -row["val_loss"]]
        if place.best is None or result > place.best:
            place.best, place.best_epoch, place.waited = result, place.epochs_done, 0
            with atomic(self.folder / MODEL) as scratch:
                self._keep().save(scratch)
        else:
            place.waited += 1
        if place.lowest_loss is None or row["val_loss"] < place.lowest_loss:
            place.lowest_loss, place.loss_waited = row["val_loss"], 0
        else:
            place.loss_waited += 1
        if self.recipe.schedule == "plateau" and place.loss_waited > max(1, self.recipe.patience // 3):
            optimizer.learning_rate = row["learning_rate"] / 2
            place.loss_waited = 0

    def _save(self, optimizer: Any) -> None:
        state.save(self.folder, self.model, optimizer, self.place)

    def _load_best(self) -> None:
        from zoo.weights import load_model

        self.model.set_weights(load_model(self.folder / MODEL).get_weights())

    def _optimizer(self, stage: Stage, batches: int) -> Any:
        import keras

        rate: Any = stage.learning_rate
        if self.recipe.schedule == "cosine":
            warmup = min(self.recipe.warmup_epochs, max(0, stage.epochs - 1)) * batches
            rate = keras.optimizers.schedules.CosineDecay(
                initial_learning_rate=stage.learning_rate / 10 if warmup else stage.learning_rate,
                decay_steps=max(1, stage.epochs * batches - warmup),
                warmup_target=stage.learning_rate if warmup else None,
                warmup_steps=warmup,
            )
        decay = self.recipe.weight_decay or None
        if self.recipe.optimizer == "sgd":
            return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
        return keras.optimizers.Adam(rate, weight_decay=decay)


class _Pictures:
    """The whole model, on pictures."""

    def __init__(self, trainer: Trainer) -> None:
        self.model = trainer.model
        self._data = trainer.data

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        self._data.order.epoch = epoch
        dataset = _one_hot(self._data.train.skip(skip) if skip else self._data.train, len(self._data.class_names))
        return _last(self.model.fit(dataset, verbose=0, shuffle=False, class_weight=weights, callbacks=callbacks))

    def evaluate(self) -> dict[str, float] | None:
        if self._data.validation is None:
            return None
        dataset = _one_hot(self._data.validation, len(self._data.class_names))
        found: dict[str, float] = self.model.evaluate(dataset, verbose=0, return_dict=True)
        return found


class _Features:
    """The head alone, on what the frozen rest says to each picture, computed once."""

    def __init__(self, trainer: Trainer, stage: Stage) -> None:
        body, self.model = split_at_head(trainer.model)
        data, recipe = trainer.data, trainer.recipe
        self._batch_size, self._seed, self._classes = recipe.batch_size, recipe.seed, len(data.class_names)
        trainer._watch.note(f"computing the features of {len(data.sources['train'])} pictures, once")
        self._train = self._features(body, data, "train")
        self._validation = self._features(body, data, "validation") if data.validation is not None else None

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
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


_Feed = _Pictures | _Features


def _compile(model: keras.Model, optimizer: Any, recipe: Recipe) -> None:
    import keras

    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=recipe.xla,
    )


def _one_hot(dataset: Any, classes: int) -> Any:
    import tensorflow as tf

    return dataset.map(lambda examples, labels: (examples, tf.one_hot(labels, classes)))


def _last(fitted: Any) -> dict[str, float]:
    return {name: values[-1] for name, values in fitted.history.items()}
