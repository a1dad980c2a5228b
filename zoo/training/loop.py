"""The training loop: stage by stage, epoch by epoch, with checkpoints from which a training can continue."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.data import Data
from zoo.errors import InputError, TrainingError, TrainingStopped
from zoo.inputs.labelled import SplitName
from zoo.training import state
from zoo.training.checkpoint import Keeper
from zoo.training.distributed.strategy import Mirrored, Team
from zoo.training.feeds import Features, Feed, Pictures
from zoo.training.recipe import Recipe
from zoo.training.stages import HEAD, Stage, prepare
from zoo.training.watch import Row, Watch

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


class Trainer:
    """Trains a model in stages; `place` is the progress."""

    def __init__(
        self,
        model: keras.Model,
        data: Data,
        recipe: Recipe,
        stages: list[Stage],
        keeper: Keeper,
        *,
        watch: Watch,
        team: Team | None = None,
    ) -> None:
        """Prepares a training.

        Args:
            model: the model, which is trained in place.
            data: the data from `zoo.data.load`, with the recipe's augmentation.
            recipe: the recipe.
            stages: the stages from `plan`.
            keeper: writes the checkpoints; with several workers, only the chief's is used.
            watch: receives the progress.
            team: the processes and devices that train; by default this process. It must have adopted the model.
        """
        self.model, self.data, self.recipe, self.stages = model, data, recipe, stages
        self.place = state.Place()
        self.watch = watch
        self._team = team or Team()
        self._keeper = keeper
        self._feed: Feed | None = None
        self._weights = data.class_weights if recipe.balance else None

    def run(self, saved: state.Saved | None = None) -> None:
        """Trains to the end, from the checkpoint `saved` if it is given; of several workers, only the chief needs it.

        Raises:
            InputError: `saved` belongs to another training.
            TrainingStopped: Ctrl-C or SIGTERM came; the state is saved.
            TrainingError: the loss became NaN or infinite; the best model and the state of an earlier epoch are saved.
            OutputError: the folder cannot be written.
        """
        if saved is not None:
            self.place = saved.place
            if saved.place.stage >= len(self.stages) and not saved.place.done:
                raise InputError(f"{self._keeper.folder} was left in stage {saved.place.stage + 1}, which it has not")
        place = self._team.share(asdict(self.place))
        if not self._team.chief:
            self.place = state.Place(**place)
        try:
            while not self.place.done:
                self._run_stage(self.stages[self.place.stage], saved)
                saved = None
        except TrainingError:
            self._keeper.write_best()
            raise

    def scores(self, split: SplitName) -> Array | None:
        """Returns the best model's scores for the files of a split, `(count, classes)`, after `run`.

        The result is None if they can only be computed by running the whole model.
        """
        return self._feed.predict(split) if isinstance(self._feed, Features) else None

    def _run_stage(self, stage: Stage, saved: state.Saved | None) -> None:
        place = self.place
        batches = -(-len(self.data.sources["train"]) // self.recipe.batch_size)
        with self._team.scope():
            feed = self._feed = self._begin(stage, saved, batches)
        inner = feed.model.optimizer  # it is wrapped in mixed precision
        while place.epoch < stage.epochs and not (self.recipe.patience and place.waited >= self.recipe.patience):
            self._run_epoch(stage, feed, batches)
        place.done = place.stage + 1 == len(self.stages)
        if not place.done:
            # A checkpoint that was not yet due is written now, because the next stage's first epoch may take long.
            self._keeper.write(inner, place)
        # The next stage, and the evaluation after the last one, start with the best weights.
        self._load_best()
        place.stage, place.epoch, place.waited, place.lowest_loss, place.loss_waited = place.stage + 1, 0, 0, None, 0
        if place.done:
            self._keeper.write(inner, place)
        else:
            self.watch.note(f"stage {stage.name!r} ends; best so far: epoch {place.best_epoch}")

    def _begin(self, stage: Stage, saved: state.Saved | None, batches: int) -> Feed:
        prepare(self.model, stage, batches)
        if saved is not None:
            saved.restore_model(self.model)
        self._team.copy(self.model.variables)
        feed = self._make_feed(stage)
        _compile(feed.model, self._optimizer(stage, batches), self.recipe)
        inner = feed.model.optimizer
        inner.build(feed.model.trainable_variables)
        if saved is not None:
            saved.restore_optimizer(inner)
        self._team.copy(inner.variables)
        return feed

    def _make_feed(self, stage: Stage) -> Feed:
        if isinstance(self._team, Mirrored):
            from zoo.training.distributed.feed import Shared

            return Shared(self, stage, self._team)
        return Features(self, stage) if stage.name == HEAD else Pictures(self)

    def _run_epoch(self, stage: Stage, feed: Feed, batches: int) -> None:
        from zoo.training.callbacks import Report, StopOnNan, StopOnSignal

        place = self.place
        started = time.perf_counter()
        stop = StopOnSignal()
        report = Report(batches, place.batches, lambda *seen: self.watch.batch(stage, place.epochs_done + 1, *seen))
        fitted = feed.fit(place.epochs_done, place.batches, [StopOnNan(), stop, report], self._weights)
        inner = feed.model.optimizer
        if stop.stopped and place.batches + stop.batches < batches:
            place.batches += stop.batches
            self._keeper.write(inner, place)
            raise self._stopped(f"in epoch {place.epochs_done + 1} after batch {place.batches} of {batches}")
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
        self._keeper.epoch(inner, place, better=self._judge(row, inner))
        self.watch.epoch(row)
        if stop.stopped:
            self._keeper.write(inner, place)
            raise self._stopped(f"after epoch {place.epochs_done}")

    def _stopped(self, where: str) -> TrainingStopped:
        return TrainingStopped(f"stopped {where}; all is saved, go on with: zoo train --resume {self._keeper.folder}")

    def _judge(self, row: Row, optimizer: Any) -> bool:
        """Returns whether the epoch is the best so far, and updates early stopping and the plateau schedule."""
        place, result = self.place, [row["val_accuracy"], -row["val_loss"]]
        better = place.best is None or result > place.best
        if better:
            place.best, place.best_epoch, place.waited = result, place.epochs_done, 0
        else:
            place.waited += 1
        if place.lowest_loss is None or row["val_loss"] < place.lowest_loss:
            place.lowest_loss, place.loss_waited = row["val_loss"], 0
        else:
            place.loss_waited += 1
        if self.recipe.schedule == "plateau" and place.loss_waited > max(1, self.recipe.patience // 3):
            with self._team.scope():
                optimizer.learning_rate = row["learning_rate"] / 2
            place.loss_waited = 0
        return better

    def _load_best(self) -> None:
        # This is outside of the scope, in which creating variables needs all workers.
        best = self._keeper.best_weights()
        with self._team.scope():
            if best is not None:
                self.model.set_weights(best)
            self._team.copy(self.model.weights)

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


def _compile(model: keras.Model, optimizer: Any, recipe: Recipe) -> None:
    import keras

    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=recipe.xla,
    )
