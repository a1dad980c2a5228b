"""The third feed of the loop: a model on several devices, of one process or of several.

Keras 3's `fit`, `evaluate` and `predict` do not run under `MultiWorkerMirroredStrategy`
(https://github.com/keras-team/keras/issues/20585), and under `MirroredStrategy` they leave each device its own
statistics of batch normalization and give the files of a smaller last batch another weight. So the steps are written
out here, with `strategy.run`. The batches are those of one device: the loss of a step is the mean over the whole batch,
whatever the number of devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.data.augment import Augment
from zoo.data.pipeline import Order, make_dataset
from zoo.graph import split_at_head
from zoo.training.distributed.sharding import Share, SharedOrder, take
from zoo.training.stages import HEAD, Stage

if TYPE_CHECKING:
    from zoo.training.distributed.strategy import Mirrored
    from zoo.training.loop import Trainer

Array = npt.NDArray[Any]


class Shared:
    """The whole model on pictures, or its head on features, each device with its share of every batch.

    Of several workers each has to call the same methods in the same order.
    """

    def __init__(self, trainer: Trainer, stage: Stage, team: Mirrored) -> None:
        """Gets ready, within the team's scope."""
        self._team, self._data, self._recipe = team, trainer.data, trainer.recipe
        self._share = self._share_of("train")
        self._rows, self._counts = self._share.rows()
        self._order = SharedOrder(Order(self._share.count, trainer.data.order.seed), self._rows)
        self._datasets: dict[str, Any] = {}
        self._features: dict[str, Array] = {}
        if stage.name == HEAD:
            body, self.model = split_at_head(trainer.model)
            trainer.watch.note(f"computing the features of {self._share.count} pictures, once")
            for split in ("train", "validation"):
                if len(trainer.data.sources[split]):
                    self._features[split] = self._compute_features(body, split)
        else:
            self.model = trainer.model
        self._train_step, self._test_step = self._make_steps()

    def fit(self, epoch: int, skip: int, callbacks: list[Any], weights: dict[int, float] | None) -> dict[str, float]:
        """Trains for an epoch, as `keras.Model.fit` does.

        Where one worker is to stop, all stop after the same step.
        """
        import keras
        import tensorflow as tf

        from zoo.training.callbacks import StopOnSignal

        callback = keras.callbacks.CallbackList(callbacks, model=self.model)
        stops = [one for one in callbacks if isinstance(one, StopOnSignal)]
        classes = np.array([(weights or {}).get(i, 1.0) for i in range(len(self._data.class_names))], np.float32)
        share = self._share
        totals, logs = np.zeros(3), {"loss": float("nan"), "accuracy": float("nan")}
        self.model.stop_training = False
        callback.on_train_begin()
        callback.on_epoch_begin(epoch)
        for step, (examples, labels) in enumerate(self._training_batches(epoch, skip), start=skip):
            callback.on_train_batch_begin(step - skip)
            size = share.batch(step)
            row_weights = self._counts[step] / size
            stop = float(any(one.stopped for one in stops))
            # Tensors: a Python number would be traced anew for each of its values.
            arguments = (examples, labels, row_weights, classes[np.asarray(labels)], np.float32(stop))
            seen = np.asarray(self._train_step(*map(tf.convert_to_tensor, arguments)))
            totals += np.array([seen[0], seen[1], 1]) * size
            logs = {"loss": totals[0] / totals[2], "accuracy": totals[1] / totals[2]}
            self._stop_all(stops, seen[2])
            callback.on_train_batch_end(step - skip, logs)
            if self.model.stop_training:
                break
        self._stop_all(stops, self._team.sum(np.array([float(any(one.stopped for one in stops))]))[0])
        # Each replica has seen other pictures. In training the statistics are written and not read, so their mean at
        # the end of the epoch is what it would be with a mean after each step.
        self._team.average([v for v in self.model.non_trainable_variables if "float" in str(v.dtype)])
        callback.on_epoch_end(epoch, logs)
        callback.on_train_end(logs)
        return logs

    def evaluate(self) -> dict[str, float] | None:
        """Loss and accuracy on the validation files; None where there are none."""
        import tensorflow as tf

        if self._data.validation is None:
            return None
        share = self._share_of("validation")
        positions, counts = share.rows()
        totals = np.zeros(2)
        for step, (examples, labels) in enumerate(self._batches("validation", positions)):
            arguments = (examples, labels, counts[step] / share.count)
            totals += np.asarray(self._test_step(*map(tf.convert_to_tensor, arguments)))
        return {"loss": float(totals[0]), "accuracy": float(totals[1])}

    def _share_of(self, split: Any) -> Share:
        team = self._team
        count = len(self._data.sources[split])
        return Share(count, self._recipe.batch_size, team.replicas, team.first, team.local)

    def _stop_all(self, stops: list[Any], how_many: float) -> None:
        for one in stops:
            one.stopped = one.stopped or how_many > 0

    def _training_batches(self, epoch: int, skip: int) -> Iterator[tuple[Any, Any]]:
        source = self._data.sources["train"]
        self._order.epoch = epoch
        if "train" in self._features:
            chosen = self._order.next()[0].reshape(self._rows.shape)[skip:]
            return ((self._features["train"][rows], source.labels[rows]) for rows in chosen)
        if "train" not in self._datasets:
            augment: Augment = self._recipe.augment if source.reader.takes_pictures else "none"
            self._datasets["train"] = make_dataset(source, self._rows.shape[1], self._order, augment)
        return iter(self._datasets["train"].skip(skip))

    def _batches(self, split: Any, positions: Array) -> Iterator[tuple[Any, Any]]:
        source = self._data.sources[split]
        if split in self._features:
            return ((self._features[split][rows], source.labels[rows]) for rows in positions)
        if split not in self._datasets:
            self._datasets[split] = make_dataset(take(source, positions), positions.shape[1])
        return iter(self._datasets[split])

    def _compute_features(self, body: Any, split: Any) -> Array:
        """What the frozen rest says to each example, each worker's part of them computed there and sent to all."""
        import tensorflow as tf

        strategy, share = self._team.strategy, self._share_of(split)
        one_worker = Share(share.count, share.batch_size, share.replicas, 0, share.replicas)

        def one(examples: tf.Tensor) -> tf.Tensor:
            return body(self._own(share, examples), training=False)

        compute = tf.function(lambda examples: strategy.gather(strategy.run(one, args=(examples,)), axis=0))
        features = np.empty((share.count, *body.output_shape[1:]), np.float32)
        source = take(self._data.sources[split], share.rows()[0])
        batches = make_dataset(source, share.local * share.each)
        for everybody, (examples, _) in zip(one_worker.rows()[0], batches, strict=True):
            features[everybody] = np.asarray(compute(examples))
        return features

    def _own(self, share: Share, local: Any) -> Any:
        """A replica's rows of its worker's."""
        import tensorflow as tf

        if share.local == 1:
            return local
        number = tf.distribute.get_replica_context().replica_id_in_sync_group - share.first
        return local[number * share.each : (number + 1) * share.each]

    def _make_steps(self) -> tuple[Any, Any]:
        """The steps, on this worker's rows; both give sums over all workers."""
        import keras
        import tensorflow as tf

        model, strategy, share = self.model, self._team.strategy, self._share
        classes, smoothing = len(self._data.class_names), self._recipe.label_smoothing

        def judge(examples: tf.Tensor, labels: tf.Tensor, *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
            scores = tf.cast(model(examples, training=training), tf.float32)
            losses = keras.losses.categorical_crossentropy(
                tf.one_hot(labels, classes), scores, label_smoothing=smoothing
            )
            return losses, tf.cast(tf.argmax(scores, axis=-1, output_type=labels.dtype) == labels, tf.float32)

        def mean(losses: tf.Tensor, row_weights: tf.Tensor, class_weights: Any = 1.0) -> tf.Tensor:
            # What this replica adds to the mean, the model's own penalties included: row weights add up to one.
            penalties = [tf.cast(penalty, tf.float32) * tf.reduce_sum(row_weights) for penalty in model.losses]
            return tf.add_n([tf.reduce_sum(losses * row_weights * class_weights), *penalties])

        def gradients(
            examples: tf.Tensor, labels: tf.Tensor, row_weights: tf.Tensor, class_weights: tf.Tensor
        ) -> tuple[Any, tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                losses, right = judge(examples, labels, training=True)
                loss = mean(losses, row_weights, class_weights)
                scaled = model.optimizer.scale_loss(loss)
            return tape.gradient(scaled, model.trainable_variables), loss, tf.reduce_sum(right * row_weights)

        compiled = tf.function(gradients, jit_compile=True) if self._recipe.xla else gradients

        def train_one(*arguments: tf.Tensor) -> tf.Tensor:
            *rows, stop = arguments
            found, loss, right = compiled(*(self._own(share, row) for row in rows))
            model.optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
            return tf.stack([loss, right, stop])

        def test_one(examples: tf.Tensor, labels: tf.Tensor, row_weights: tf.Tensor) -> tf.Tensor:
            rows = [self._own(share, row) for row in (examples, labels, row_weights)]
            losses, right = judge(rows[0], rows[1], training=False)
            return tf.stack([mean(losses, rows[2]), tf.reduce_sum(right * rows[2])])

        def over_all(step: Any) -> Any:
            return tf.function(lambda *arguments: strategy.reduce("SUM", strategy.run(step, args=arguments), axis=None))

        return over_all(train_one), over_all(test_one)
