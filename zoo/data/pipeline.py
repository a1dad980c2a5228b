"""Makes `tf.data` batches of examples, in an order that depends only on the seed and the epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.data.augment import Augment, apply, augmentation
from zoo.data.reading import Reader, in_threads

if TYPE_CHECKING:
    import tensorflow as tf

Array = npt.NDArray[Any]
Change = Callable[[Array, Array, Array], tuple[Array, Array]]
"""Changes a batch of examples, as they are stored, and float32 labels. The third array, `(batch, 3)` integers, has
other numbers for each example of each epoch, so that a change that depends on them alone is the same after a stop."""


@dataclass(frozen=True, eq=False)
class Source:
    """The examples of one split."""

    paths: Sequence[Path]
    labels: Array
    """Labels, one for each path: class indices, int32, or whatever a task learns, `(count, ...)`."""
    reader: Reader
    store: Array | None = None
    """Decoded examples of all splits, if they are kept."""
    rows: Array | None = None
    """Rows of `store` with the examples of this split."""

    def __len__(self) -> int:
        return len(self.paths)

    def fetch(self, indices: Array) -> Array:
        """Returns examples by their index: `(len(indices), *shape)`, uint8 pixels or float32 values.

        Raises:
            InputError: examples are not kept, and a file that could be read before cannot be read now.
        """
        if self.store is not None and self.rows is not None:
            return self.store[self.rows[indices]]
        return np.stack(list(in_threads(lambda i: self.reader.read(self.paths[int(i)]), indices)))


@dataclass
class Order:
    """The order of a training set: different in each epoch, and always the same for the same epoch."""

    count: int
    seed: int
    epoch: int = field(default=0)
    """Index of the next epoch, counted from 0."""
    least: int = 0
    """The least number of examples in an epoch: of fewer it takes all several times, and of some one more."""

    @property
    def length(self) -> int:
        """Number of examples in an epoch, each counted as often as it is passed over."""
        return max(self.count, self.least)

    def next(self) -> tuple[Array, np.int64]:
        """Returns the order of the next epoch, `(length,)`, and a stamp for its augmentation."""
        passes = -(-self.length // max(1, self.count))
        seeds = [(self.seed, self.epoch), *((self.seed, self.epoch, 1 + one) for one in range(1, passes))]
        order = np.concatenate([np.random.default_rng(seed).permutation(self.count) for seed in seeds])[: self.length]
        stamp = np.random.default_rng((self.seed, self.epoch, 1)).integers(2**20)
        self.epoch += 1
        return order.astype(np.int64), np.int64(stamp)


def make_dataset(
    source: Source,
    batch_size: int,
    order: Order | None = None,
    augment: Augment = "none",
    change: Change | None = None,
) -> tf.data.Dataset:
    """Makes batches of `(batch, *shape)` float32 and of labels; the last batch may be smaller.

    Args:
        source: the examples.
        batch_size: the number of examples in a batch.
        order: the order of training; by default the order of the files.
        augment: see `augmentation`; the labels stay what they are.
        change: changes examples and labels alike, in an order of training, in the threads that read.
    """
    import tensorflow as tf

    stored = tf.as_dtype(source.reader.dtype)
    # AutoGraph is skipped: these functions have no control flow, and converting them would take most of the time here.
    plain: Callable[[Any], Any] = tf.autograph.experimental.do_not_convert

    @plain
    def fetch(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        examples = tf.numpy_function(source.fetch, [indices], stored)
        examples = tf.cast(tf.ensure_shape(examples, (None, *source.reader.shape)), tf.float32)
        return examples, tf.gather(source.labels, indices)

    def fetch_changed(indices: Array, stamps: Array, places: Array) -> tuple[Array, Array]:
        assert change is not None  # noqa: S101  # it is called for a change only
        return change(source.fetch(indices), source.labels[indices], np.stack([stamps, places, indices], axis=1))

    @plain
    def changed(indices: tf.Tensor, stamps: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        examples, labels = tf.numpy_function(fetch_changed, [indices, stamps, places], (stored, tf.float32))
        examples = tf.cast(tf.ensure_shape(examples, (None, *source.reader.shape)), tf.float32)
        return examples, tf.ensure_shape(labels, (None, *source.labels.shape[1:]))

    if order is None:
        indices = tf.data.Dataset.range(len(source)).batch(batch_size)
        return indices.map(fetch, num_parallel_calls=2, deterministic=True).prefetch(2)

    @plain
    def begin(_: tf.Tensor) -> tf.data.Dataset:
        shuffled, stamp = tf.numpy_function(order.next, [], (tf.int64, tf.int64))
        shuffled = tf.ensure_shape(shuffled, (order.length,))
        places = tf.range(order.length, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((shuffled, tf.fill((order.length,), stamp), places)).batch(batch_size)

    @plain
    def stamped(chosen: tf.Tensor, stamps: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # The stamp is the epoch's; each batch has another first example.
        return *fetch(chosen), tf.stack([stamps[0], chosen[0]])

    @plain
    def augmented(examples: tf.Tensor, labels: tf.Tensor, stamp: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return apply(layers, examples, stamp), labels

    batches = tf.data.Dataset.range(1).flat_map(begin)
    batches = batches.apply(tf.data.experimental.assert_cardinality(-(-order.length // batch_size)))
    layers = augmentation(augment)
    # Two batches are read at a time: while one waits for its last picture, the cores read the next.
    if change is not None:
        dataset = batches.map(changed, num_parallel_calls=2, deterministic=True)
    elif not layers:
        dataset = batches.map(plain(lambda chosen, *_: fetch(chosen)), num_parallel_calls=2, deterministic=True)
    else:
        # Batches are augmented one after the other, because the layers share their random state.
        dataset = batches.map(stamped, num_parallel_calls=2, deterministic=True).map(augmented)
    return dataset.prefetch(2)
