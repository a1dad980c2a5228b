"""The feed with steps of its own: for several devices, of one process or of several, several outputs, or a teacher.

Keras 3's `fit`, `evaluate` and `predict` do not run under `MultiWorkerMirroredStrategy`
(https://github.com/keras-team/keras/issues/20585), and under `MirroredStrategy` they leave each device its own
statistics of batch normalization and give the files of a smaller last batch another weight. So the steps are written
out here, with `tf.distribute.Strategy.run`. The batches are those of one device: the loss of a step is the mean over
the whole batch, whatever the number of devices. One loss sees all outputs of a model, which Keras' `fit` cannot do.
A teacher gets the very examples of the step, augmented as they are; where the features of the examples are computed
once, so are the teacher's answers to them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.data.augment import Augment
from zoo.data.pipeline import make_dataset
from zoo.inputs.labelled import SplitName
from zoo.text import count_of
from zoo.training.distributed.sharding import Shard, ShardedOrder, subset
from zoo.training.setup import Setup
from zoo.training.stages import Stage

Array = npt.NDArray[Any]


class DistributedFeed:
    """Trains the whole model on the examples, or its head on features, each device on its rows of every batch.

    Each of several workers has to call the same methods in the same order.
    """

    def __init__(self, setup: Setup, stage: Stage) -> None:
        """Makes the steps and computes the features, if the stage caches them; called within the strategy's scope."""
        self._strategy, self._data, self._recipe = setup.strategy, setup.data, setup.recipe
        self._task, self._objective = setup.task, setup.objective
        self._shard = self._shard_of("train", setup.data.order.length)
        self._rows, self._counts = self._shard.rows()
        self._order = ShardedOrder(dataclasses.replace(setup.data.order, epoch=0), self._rows)
        self._datasets: dict[SplitName, Any] = {}
        self._features: dict[SplitName, Any] = {}
        """The features of each split; with a teacher, a pair of the features and the teacher's answers."""
        if stage.cached_features:
            body, self.model = setup.task.split_at_head(setup.model)
            setup.watch.note(f"computing the features of {count_of(setup.data.order.count, 'picture')}, once")
            splits: tuple[SplitName, ...] = ("train", "validation")
            for split in splits:
                if len(setup.data.sources[split]):
                    self._features[split] = self._compute_once(self._seen_by(body), split)
        else:
            self.model = setup.model
        self._train_step, self._test_step = self._make_steps()

    def fit(self, epoch: int, skip: int, callbacks: list[Any]) -> dict[str, float]:
        """Trains for an epoch, as `keras.Model.fit` does; see `Feed`.

        If one worker is to stop, all stop after the same step.
        """
        import keras
        import tensorflow as tf

        from zoo.training.callbacks import StopOnSignal

        callback = keras.callbacks.CallbackList(callbacks, model=self.model)
        stops = [one for one in callbacks if isinstance(one, StopOnSignal)]
        names = ("loss", *self._objective.metrics)
        totals, count = np.zeros(len(names)), 0
        logs = dict.fromkeys(names, float("nan"))
        self.model.stop_training = False
        callback.on_train_begin()
        callback.on_epoch_begin(epoch)
        for step, (examples, labels) in enumerate(self._training_batches(epoch, skip), start=skip):
            callback.on_train_batch_begin(step - skip)
            size = self._shard.batch(step)
            row_weights = self._counts[step] / size
            stop = float(any(one.stopped for one in stops))
            # Tensors: a Python number would be traced anew for each of its values.
            arguments = (examples, labels, row_weights, np.float32(stop))
            *seen, stopped = np.asarray(self._train_step(*keras.tree.map_structure(tf.convert_to_tensor, arguments)))
            totals, count = totals + np.array(seen, np.float64) * size, count + size
            logs = dict(zip(names, totals / count, strict=True))
            self._stop_all(stops, stopped)
            callback.on_train_batch_end(step - skip, logs)
            if self.model.stop_training:
                break
        self._stop_all(stops, self._strategy.sum(np.array([float(any(one.stopped for one in stops))]))[0])
        # Each replica has seen other pictures. In training the statistics are written and not read, so their mean at
        # the end of the epoch is what it would be with a mean after each step.
        self._strategy.average([v for v in self.model.non_trainable_variables if "float" in str(v.dtype)])
        callback.on_epoch_end(epoch, logs)
        callback.on_train_end(logs)
        return logs

    def evaluate(self) -> dict[str, float] | None:
        """See `Feed`."""
        import keras
        import tensorflow as tf

        if not len(self._data.sources["validation"]):
            return None
        shard = self._shard_of("validation")
        positions, counts = shard.rows()
        names = ("loss", *self._objective.metrics)
        totals = np.zeros(len(names))
        for step, (examples, labels) in enumerate(self._batches("validation", positions)):
            arguments = (examples, labels, counts[step] / shard.count)
            totals += np.asarray(self._test_step(*keras.tree.map_structure(tf.convert_to_tensor, arguments)))
        return dict(zip(names, map(float, totals), strict=True))

    def known_outputs(self, split: SplitName) -> Array | None:
        """Returns None: each worker has the outputs of its own rows only."""
        return None

    def _shard_of(self, split: SplitName, count: int = 0) -> Shard:
        strategy, count = self._strategy, count or len(self._data.sources[split])
        return Shard(count, self._recipe.batch_size, strategy.replicas, strategy.first_replica, strategy.local_replicas)

    def _stop_all(self, stops: list[Any], how_many: float) -> None:
        for one in stops:
            one.stopped = one.stopped or how_many > 0

    def _training_batches(self, epoch: int, skip: int) -> Iterator[tuple[Any, Any]]:
        source = self._data.sources["train"]
        self._order.epoch = epoch
        if "train" in self._features:
            chosen = self._order.next()[0].reshape(self._rows.shape)[skip:]
            return ((_rows(self._features["train"], rows), source.labels[rows]) for rows in chosen)
        if "train" not in self._datasets:
            augment: Augment = self._recipe.augment if source.reader.takes_pictures else "none"
            self._datasets["train"] = self._task.training_batches(
                source, self._rows.shape[1], self._order, augment, self._data
            )
        return iter(self._datasets["train"].skip(skip))

    def _batches(self, split: SplitName, positions: Array) -> Iterator[tuple[Any, Any]]:
        source = self._data.sources[split]
        if split in self._features:
            return ((_rows(self._features[split], rows), source.labels[rows]) for rows in positions)
        if split not in self._datasets:
            self._datasets[split] = make_dataset(subset(source, positions), positions.shape[1])
        return iter(self._datasets[split])

    def _seen_by(self, body: Any) -> Callable[[Any], Any]:
        """Returns what is computed once for each example: its features, and the answers of a teacher."""
        teaching = self._objective.teaching
        if teaching is None:
            return lambda examples: body(examples, training=False)
        return lambda examples: (body(examples, training=False), teaching.answers(examples))

    def _compute_once(self, function: Callable[[Any], Any], split: SplitName) -> Any:
        """Computes a function of the examples of a split, each worker for its rows, and gathers it on all workers."""
        import keras
        import tensorflow as tf

        distribution, shard = self._strategy.distribution, self._shard_of(split)
        one_worker = Shard(shard.count, shard.batch_size, shard.replicas, 0, shard.replicas)

        def one(examples: tf.Tensor) -> Any:
            return function(self._replica_rows(shard, examples))

        def gathered(examples: tf.Tensor) -> Any:
            found = distribution.run(one, args=(examples,))
            return keras.tree.map_structure(lambda part: distribution.gather(part, axis=0), found)

        compute, whole = tf.function(gathered), None
        source = subset(self._data.sources[split], shard.rows()[0])
        batches = make_dataset(source, shard.local * shard.rows_per_replica)
        for everybody, (examples, _) in zip(one_worker.rows()[0], batches, strict=True):
            found = keras.tree.map_structure(np.asarray, compute(examples))
            if whole is None:
                whole = keras.tree.map_structure(
                    lambda part: np.empty((shard.count, *part.shape[1:]), np.float32), found
                )
            for all_rows, part in zip(keras.tree.flatten(whole), keras.tree.flatten(found), strict=True):
                all_rows[everybody] = part
        return whole

    def _replica_rows(self, shard: Shard, local: Any) -> Any:
        """Returns the rows of the current replica out of its worker's rows, of a tensor or a structure of tensors."""
        import keras
        import tensorflow as tf

        if shard.local == 1:
            return local
        number = tf.distribute.get_replica_context().replica_id_in_sync_group - shard.first
        own = slice(number * shard.rows_per_replica, (number + 1) * shard.rows_per_replica)
        return keras.tree.map_structure(lambda part: part[own], local)

    def _answered(self, examples: Any) -> tuple[Any, Any]:
        """Returns what the trained model is given, and the teacher's answers; None for these if there is no teacher."""
        teaching = self._objective.teaching
        if teaching is None:
            return examples, None
        if self._features:
            given, answers = examples
            return given, answers
        return examples, teaching.answers(examples)

    def _make_steps(self) -> tuple[Any, Any]:
        """Returns the steps of training and evaluation, on this worker's rows; both return sums over all workers."""
        import keras
        import tensorflow as tf

        model, distribution, shard, objective = self.model, self._strategy.distribution, self._shard, self._objective

        def compare(examples: Any, labels: Any, answers: Any, *, training: bool) -> tuple[tf.Tensor, list[tf.Tensor]]:
            raw = model(examples, training=training)
            outputs = keras.tree.map_structure(lambda output: tf.cast(output, tf.float32), raw)
            targets = objective.targets(labels)
            metrics = [tf.cast(values(targets, outputs), tf.float32) for values in objective.metrics.values()]
            losses = objective.loss.call(targets, outputs)
            return (objective.teaching.mix(losses, answers, outputs) if objective.teaching else losses), metrics

        def mean(losses: tf.Tensor, row_weights: tf.Tensor, example_weights: Any = 1.0) -> tf.Tensor:
            # What this replica adds to the mean, the model's own penalties included: row weights add up to one.
            penalties = [tf.cast(penalty, tf.float32) * tf.reduce_sum(row_weights) for penalty in model.losses]
            return tf.add_n([tf.reduce_sum(losses * row_weights * example_weights), *penalties])

        def sums(loss: tf.Tensor, metrics: list[tf.Tensor], row_weights: tf.Tensor) -> list[tf.Tensor]:
            return [loss, *(tf.reduce_sum(values * row_weights) for values in metrics)]

        def gradients(examples: Any, labels: Any, row_weights: Any, answers: Any) -> tuple[Any, list[tf.Tensor]]:
            example_weights = 1.0 if objective.weights is None else objective.weights(labels)
            with tf.GradientTape() as tape:
                losses, metrics = compare(examples, labels, answers, training=True)
                loss = mean(losses, row_weights, example_weights)
                scaled = model.optimizer.scale_loss(loss)
            return tape.gradient(scaled, model.trainable_variables), sums(loss, metrics, row_weights)

        compiled = tf.function(gradients, jit_compile=True) if self._recipe.xla else gradients

        def train_one(*arguments: tf.Tensor) -> tf.Tensor:
            *rows, stop = arguments
            examples, labels, row_weights = (self._replica_rows(shard, row) for row in rows)
            # XLA compiles the step of the model that learns, not the teacher's answers: it cannot resize pictures.
            examples, answers = self._answered(examples)
            found, seen = compiled(examples, labels, row_weights, answers)
            model.optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
            return tf.stack([*seen, stop])

        def test_one(examples: tf.Tensor, labels: tf.Tensor, row_weights: tf.Tensor) -> tf.Tensor:
            rows = [self._replica_rows(shard, row) for row in (examples, labels, row_weights)]
            given, answers = self._answered(rows[0])
            losses, metrics = compare(given, rows[1], answers, training=False)
            return tf.stack(sums(mean(losses, rows[2]), metrics, rows[2]))

        def over_all(step: Any) -> Any:
            return tf.function(
                lambda *arguments: distribution.reduce("SUM", distribution.run(step, args=arguments), axis=None)
            )

        return over_all(train_one), over_all(test_one)


def _rows(known: Any, rows: Array) -> Any:
    """Returns rows of an array, or of each array in a structure."""
    import keras

    return keras.tree.map_structure(lambda part: part[rows], known)
