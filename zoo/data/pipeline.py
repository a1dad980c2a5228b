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


@dataclass(frozen=True, eq=False)
class Source:
    """The examples of one split."""

    paths: Sequence[Path]
    labels: Array
    """Class indices, int32, one for each path."""
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

    def next(self) -> tuple[Array, np.int64]:
        """Returns the order of the next epoch, and a stamp for its augmentation."""
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        stamp = np.random.default_rng((self.seed, self.epoch, 1)).integers(2**20)
        self.epoch += 1
        return order.astype(np.int64), np.int64(stamp)


def make_dataset(
    source: Source, batch_size: int, order: Order | None = None, augment: Augment = "none"
) -> tf.data.Dataset:
    """Makes batches of `(batch, *shape)` float32 and `(batch,)` int32; the last batch may be smaller.

    Args:
        source: the examples.
        batch_size: the number of examples in a batch.
        order: the order of training; by default the order of the files.
        augment: see `augmentation`.
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

    if order is None:
        indices = tf.data.Dataset.range(len(source)).batch(batch_size)
        return indices.map(fetch, num_parallel_calls=2, deterministic=True).prefetch(2)

    @plain
    def begin(_: tf.Tensor) -> tf.data.Dataset:
        shuffled, stamp = tf.numpy_function(order.next, [], (tf.int64, tf.int64))
        shuffled = tf.ensure_shape(shuffled, (order.count,))
        return tf.data.Dataset.from_tensor_slices((shuffled, tf.fill((order.count,), stamp))).batch(batch_size)

    @plain
    def stamped(chosen: tf.Tensor, stamps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # The stamp is the epoch's; each batch has another first example.
        return *fetch(chosen), tf.stack([stamps[0], chosen[0]])

    @plain
    def augmented(examples: tf.Tensor, labels: tf.Tensor, stamp: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return apply(layers, examples, stamp), labels

    batches = tf.data.Dataset.range(1).flat_map(begin)
    batches = batches.apply(tf.data.experimental.assert_cardinality(-(-order.count // batch_size)))
    layers = augmentation(augment)
    # Two batches are read at a time: while one waits for its last picture, the cores read the next.
    if not layers:
        dataset = batches.map(plain(lambda chosen, _: fetch(chosen)), num_parallel_calls=2, deterministic=True)
    else:
        # Batches are augmented one after the other, because the layers share their random state.
        dataset = batches.map(stamped, num_parallel_calls=2, deterministic=True).map(augmented)
    return dataset.prefetch(2)
