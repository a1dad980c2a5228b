"""The training loop: stage by stage, epoch by epoch, with checkpoints from which a training can continue."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError, TrainingError, TrainingStopped
from zoo.files.places import base_name
from zoo.inputs import seen
from zoo.inputs.labelled import SplitName
from zoo.training.feeds import Feed, make_feed
from zoo.training.optimizer import compile_model, make_optimizer, slow_body
from zoo.training.precision import full_precision
from zoo.training.records import results
from zoo.training.records.checkpoint import TrainState
from zoo.training.records.checkpointer import MODEL, Checkpointer
from zoo.training.records.history import History, told
from zoo.training.records.readme import write_card
from zoo.training.records.results import TrainResult
from zoo.training.setup import Setup
from zoo.training.stages import Stage, freeze_layers
from zoo.training.start import notes_on
from zoo.training.tasks import Calibrating, Predicting, Report, Tuning
from zoo.training.watch import Row
from zoo.weights import load_model

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


def fit(setup: Setup) -> TrainResult:
    """Trains a set-up to its end, evaluates the best model, and writes both into the run's folder.

    Each of several workers must call it; the chief alone writes.

    Args:
        setup: from `zoo.training.setup.prepare`; its folder must exist.

    Raises:
        InputError: the checkpoint, or the file of the best model, belongs to another training.
        TrainingStopped: Ctrl-C or SIGTERM came; the state is saved. Between two steps, while the model is compiled or
            judged, it is that of the last checkpoint.
        TrainingError: the loss became NaN or infinite; the best model and the state of an earlier epoch are saved.
        OutputError: the folder cannot be written.
    """
    try:
        return _fit(setup)
    except KeyboardInterrupt:
        raise TrainingStopped(
            f"stopped between two steps; continue from the last checkpoint with: zoo train --resume {setup.folder}"
        ) from None


def _fit(setup: Setup) -> TrainResult:
    strategy, task = setup.strategy, setup.task
    if strategy.is_chief and not (setup.folder / seen.FILE).exists():
        seen.write(setup.folder, setup.data.report.contents)
    trainer = Trainer(setup)
    trainer.run()
    model, metrics = setup.model, None
    history = [told(row, held_out=setup.holds_out) for row in trainer.state.history]
    if strategy.is_chief:
        model, report = _evaluate(setup, trainer)
        settings = task.settings(model, setup.data) if isinstance(task, Tuning) else {}
        metrics = results.write_report(setup.folder, task, trainer.state, history, report, settings)
        write_card(setup.folder)
    # The other workers wait until the chief has written all files, and get the weights of the best model as it is now.
    metrics = strategy.broadcast(metrics)
    with strategy.scope():
        strategy.broadcast_variables(setup.model.weights)
    return TrainResult(
        folder=setup.folder,
        model=model,
        data=setup.data,
        task=task.name,
        score=metrics[task.monitor],
        metrics=metrics,
        history=history,
        began_with=base_name(setup.run["model"]["weights"]),
        notes=notes_on(setup.run, metrics[task.monitor]),
        chief=strategy.is_chief,
    )


def _evaluate(setup: Setup, trainer: Trainer) -> tuple[keras.Model, Report]:
    """Returns the best model and its report; where the task calibrates scores, those of the calibrated model.

    The calibration begins with the weights that were trained, also where the run was finished before: so it is made
    once, and `--resume` finds the same.
    """
    task, data = setup.task, setup.data
    model = setup.model if trainer.holds_best else _read_best(setup)
    saved = _digest(model)
    _copy_weights(setup.model, model)

    def outputs(split: SplitName) -> Any:
        if isinstance(task, Predicting):
            return task.predict(model, data, split)
        # The outputs of a head on features are known already, in the precision that it was trained in.
        known = None if setup.recipe.mixed_precision else trainer.known_outputs(split)
        return results.predict(model, data, split) if known is None else known

    split = results.evaluated_split(data)
    found = outputs(split)
    report = task.evaluate(found, data, split)
    if isinstance(task, Calibrating):
        held_out = None
        if len(data.sources["validation"]):
            held_out = found if split == "validation" else outputs("validation")
        report = task.calibrate(model, report, held_out, data)
    with setup.strategy.scope():
        _copy_weights(model, setup.model)
    if trainer.best_waits or _digest(model) != saved:
        trainer.save_best()
    return model, report


def _read_best(setup: Setup) -> keras.Model:
    """Reads the best model from the run's folder, in float32 and for one device.

    Raises:
        InputError: the file is not the model of this run.
    """
    model = load_model(setup.folder / MODEL)
    if [one.shape for one in model.weights] != [one.shape for one in setup.model.weights]:
        raise InputError(
            f"{setup.folder / MODEL} is not the model of this run: its weights have other shapes; put its own back, "
            "or train again into another folder"
        )
    return model


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies weights one by one: a list of all of them would take as much memory as the model."""
    if source is target:
        return
    for one, other in zip(source.weights, target.weights, strict=True):
        other.assign(np.asarray(one))


def _digest(model: keras.Model) -> bytes:
    """Returns a hash of a model's weights."""
    found = hashlib.blake2b()
    for one in model.weights:
        found.update(np.ascontiguousarray(one).data)
    return found.digest()


class Trainer:
    """Trains the model of a set-up in stages; `state` is the progress."""

    def __init__(self, setup: Setup) -> None:
        """Prepares the first epoch, or the next one of the checkpoint.

        Raises:
            InputError: the checkpoint belongs to another training.
        """
        self.setup, checkpoint = setup, setup.checkpoint
        self.state = checkpoint.state if checkpoint else TrainState()
        if checkpoint is not None and self.state.stage >= len(setup.stages) and not self.state.done:
            raise InputError(
                f"{setup.folder} was stopped in stage {self.state.stage + 1}, but its recipe has {len(setup.stages)}"
            )
        self._checkpoint = checkpoint
        self._history: History | None = None
        if setup.strategy.is_chief:
            self._history = History(setup.folder, self.state, setup.task, held_out=setup.holds_out)
        # A model on several devices is saved as it is, not with the best weights put in for the moment.
        self._checkpointer = Checkpointer(
            setup.folder,
            setup.model,
            full_precision(setup.model, setup.folder, setup.recipe),
            every_epoch=setup.strategy.distributed,
            writes=setup.strategy.is_chief,
        )
        self._feed: Feed | None = None

    @property
    def holds_best(self) -> bool:
        """Whether the set-up's model, after `run`, is what the file of the best one holds, so that it need not be read.

        It is where this process trained it to the end, in float32 and on one device, and its head alone on features:
        then it was never compiled, and so brings no optimizer along.
        """
        setup = self.setup
        alone = not (setup.strategy.distributed or setup.recipe.mixed_precision)
        return self._feed is not None and alone and not setup.model.compiled

    @property
    def best_waits(self) -> bool:
        """Whether the best model, after `run`, is still to be written, as it is where it will be calibrated at once."""
        return self._checkpointer.waits

    def run(self) -> None:
        """Trains to the end; errors as `fit`."""
        state = self.setup.strategy.broadcast(asdict(self.state))
        if not self.setup.strategy.is_chief:
            self.state = TrainState(**state)
        if self.state.done and self._checkpoint is not None:
            with self.setup.strategy.scope():
                self._checkpoint.restore_model(self.setup.model)
        if not self.setup.stages and not self.state.done:
            self._keep_untrained()
        try:
            while not self.state.done:
                self._run_stage(self.setup.stages[self.state.stage])
        except TrainingError:
            self._checkpointer.write_best()
            raise

    def _keep_untrained(self) -> None:
        """Makes the model that a run begins with its best one, where there is nothing to train."""
        import keras

        self._checkpointer.save_model()
        self.state.done = True
        self._checkpointer.write(keras.optimizers.SGD(), self.state)

    def known_outputs(self, split: SplitName) -> Array | None:
        """Returns the best model's outputs for a split, `(count, ...)`, after `run`.

        The result is None if they can only be computed by running the whole model.
        """
        return self._feed.known_outputs(split) if self._feed else None

    def save_best(self) -> None:
        """Writes the trained model as the best one.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        self._checkpointer.save_model()

    def _run_stage(self, stage: Stage) -> None:
        setup, state = self.setup, self.state
        with setup.strategy.scope():
            feed = self._feed = self._begin(stage)
        optimizer = feed.model.optimizer  # in mixed precision, it is a wrapper
        patience = setup.recipe.patience
        while state.epoch < stage.epochs and not (patience and state.waited >= patience):
            self._run_epoch(stage, feed)
        state.done = state.stage + 1 == len(setup.stages)
        if not state.done:
            # A checkpoint that was not yet due is written now, because the next stage's first epoch may take long.
            self._checkpointer.write(optimizer, state)
        # The next stage, and the evaluation after the last one, start with the best weights.
        self._load_best()
        state.stage, state.epoch, state.waited, state.lowest_loss, state.loss_waited = state.stage + 1, 0, 0, None, 0
        if stage.preliminary:
            state.best = None
        if state.done:
            self._checkpointer.write(optimizer, state, best=not self.holds_best)
        else:
            best = f"epoch {state.best_epoch}, by {setup.task.score_name}"
            setup.watch.note(f"stage {stage.name!r} ends; best so far: {best}")

    def _begin(self, stage: Stage) -> Feed:
        """Returns the feed of a stage, compiled, and restores the checkpoint once."""
        setup, checkpoint = self.setup, self._checkpoint
        freeze_layers(setup.model, stage, setup.task, setup.batches)
        if checkpoint is not None:
            checkpoint.restore_model(setup.model)
        setup.strategy.broadcast_variables(setup.model.variables)
        feed = make_feed(setup, stage)
        optimizer = make_optimizer(setup.recipe, stage, setup.batches)
        slow_body(optimizer, setup.model, setup.task, setup.recipe, stage)
        compile_model(feed.model, optimizer, setup.objective, setup.recipe)
        optimizer = feed.model.optimizer
        if checkpoint is not None:
            checkpoint.restore_optimizer(optimizer)
        setup.strategy.broadcast_variables(optimizer.variables)
        self._checkpoint = None
        return feed

    def _run_epoch(self, stage: Stage, feed: Feed) -> None:
        from zoo.training.callbacks import Report, StopOnNan, StopOnSignal

        setup, state, batches = self.setup, self.state, self.setup.batches
        started = time.perf_counter()
        stop = StopOnSignal()
        report = Report(batches, state.batches, lambda *seen: setup.watch.batch(stage, state.epochs_done + 1, *seen))
        fitted = feed.fit(state.epochs_done, state.batches, [StopOnNan(), stop, report])
        optimizer = feed.model.optimizer
        if stop.stopped and state.batches + stop.batches < batches:
            state.batches += stop.batches
            self._checkpointer.write(optimizer, state)
            raise self._stopped(f"in epoch {state.epochs_done + 1} after batch {state.batches} of {batches}")
        seen = (feed.evaluate() or fitted) | self._judge()
        row: Row = {
            "epoch": state.epochs_done + 1,
            "stage": stage.name,
            "seconds": round(time.perf_counter() - started, 3),
            "learning_rate": float(np.asarray(optimizer.learning_rate)),
            **{name: float(fitted[name]) for name in ("loss", *setup.task.metrics)},
            **{f"val_{name}": float(seen[name]) for name in ("loss", *setup.task.metrics, *setup.task.judged)},
        }
        state.epoch, state.batches, state.epochs_done = state.epoch + 1, 0, state.epochs_done + 1
        state.history.append(row)
        better = self._update_best(stage, row)
        self._update_plateau(row, optimizer)
        self._checkpointer.epoch(optimizer, state, better=better)
        if self._history:
            self._history.add(row)
        setup.watch.epoch(told(row, held_out=setup.holds_out))
        if stop.stopped:
            self._checkpointer.write(optimizer, state)
            raise self._stopped(f"after epoch {state.epochs_done}")

    def _stopped(self, where: str) -> TrainingStopped:
        return TrainingStopped(f"stopped {where}; all is saved; continue with: zoo train --resume {self.setup.folder}")

    def _judge(self) -> dict[str, float]:
        """Returns the metrics that the objective computes from the model at the end of an epoch."""
        judge, strategy = self.setup.objective.judge, self.setup.strategy
        if judge is None:
            return {}
        found: dict[str, float] = strategy.broadcast(judge() if strategy.is_chief else None)
        return found

    def _update_best(self, stage: Stage, row: Row) -> bool:
        """Returns whether the epoch is the best so far, and counts the epochs without a better one.

        In a preliminary stage that is the last one.
        """
        state, task = self.state, self.setup.task
        monitored = row[f"val_{task.monitor}"]
        result = [monitored if task.higher_is_better else -monitored, -row["val_loss"]]
        better = stage.preliminary or state.best is None or result > state.best
        if better:
            state.best, state.best_epoch, state.waited = result, state.epochs_done, 0
        else:
            state.waited += 1
        return better

    def _update_plateau(self, row: Row, optimizer: Any) -> None:
        """Halves the learning rate if the schedule is `plateau` and the validation loss no longer falls."""
        state, recipe = self.state, self.setup.recipe
        if state.lowest_loss is None or row["val_loss"] < state.lowest_loss:
            state.lowest_loss, state.loss_waited = row["val_loss"], 0
        else:
            state.loss_waited += 1
        if recipe.schedule == "plateau" and state.loss_waited > max(1, recipe.patience // 3):
            with self.setup.strategy.scope():
                optimizer.learning_rate = row["learning_rate"] / 2
            state.loss_waited = 0

    def _load_best(self) -> None:
        # The file is read outside of the scope, in which creating variables needs all workers.
        best = self._checkpointer.best_weights()
        with self.setup.strategy.scope():
            if best is not None:
                self.setup.model.set_weights(best)
            self.setup.strategy.broadcast_variables(self.setup.model.weights)
