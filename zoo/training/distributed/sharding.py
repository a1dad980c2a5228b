"""The sharding of batches: the batches are those of one device, and each replica takes an equal part of each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.data.pipeline import Order, Source

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Shard:
    """The part of each batch that one worker's replicas take; the number of its rows is the same in every step.

    The last batch may be smaller, even smaller than the number of replicas. The missing rows are filled with other rows
    of the same batch, which have the weight 0: so batch normalization sees real pictures, and no replica is without
    any.
    """

    count: int
    """Number of examples of all workers, each counted as often as an epoch takes it."""
    batch_size: int
    """Size of a global batch, over all workers."""
    replicas: int
    """Number of replicas of all workers."""
    first: int = 0
    """Index of this worker's first replica."""
    local: int = 1
    """Number of this worker's replicas."""

    @property
    def steps(self) -> int:
        """Number of batches in an epoch, the same on every worker."""
        return -(-self.count // self.batch_size)

    @property
    def rows_per_replica(self) -> int:
        """Number of rows that a replica takes in a step."""
        return -(-self.batch_size // self.replicas)

    def batch(self, step: int) -> int:
        """Returns the number of examples in a batch of all workers together."""
        return min(self.batch_size, self.count - step * self.batch_size)

    def rows(self) -> tuple[Array, Array]:
        """Returns the positions of this worker's rows in the epoch's order, and whether they count.

        Returns:
            Two arrays `(steps, local * rows_per_replica)`, one replica after the other: integers, and 1.0 or 0.0.
        """
        positions = [self._cut(np.arange(self.batch(step)) + step * self.batch_size) for step in range(self.steps)]
        counts = [self._cut(np.ones(self.batch(step)), fill=False) for step in range(self.steps)]
        return np.stack(positions), np.stack(counts).astype(np.float32)

    def _cut(self, batch: Array, *, fill: bool = True) -> Array:
        size = self.replicas * self.rows_per_replica
        filled = np.resize(batch, size) if fill else np.pad(batch, (0, size - len(batch)))
        # Rows are dealt one by one, like cards, so that a small batch is spread over all replicas.
        dealt: Array = filled.reshape(self.rows_per_replica, self.replicas).T
        return dealt[self.first : self.first + self.local].ravel()


class ShardedOrder(Order):
    """The order in which a worker takes its rows; it follows the order of the whole training set."""

    def __init__(self, whole: Order, positions: Array) -> None:
        super().__init__(positions.size, whole.seed, whole.epoch)
        self._whole, self._positions = whole, positions.ravel()

    def next(self) -> tuple[Array, np.int64]:
        """Returns this worker's rows of the next epoch, and the stamp for its augmentation."""
        order, stamp = dataclasses.replace(self._whole, epoch=self.epoch).next()
        self.epoch += 1
        return order[self._positions], stamp


def subset(source: Source, positions: Array) -> Source:
    """Returns a source with the examples at some positions; a position may occur several times."""
    chosen = positions.ravel()
    return dataclasses.replace(
        source,
        paths=[source.paths[int(i)] for i in chosen],
        labels=source.labels[chosen],
        rows=None if source.rows is None else source.rows[chosen],
    )
