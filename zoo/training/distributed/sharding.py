"""Which examples of each batch a worker takes: the batches are those of one device, cut in equal parts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.data.pipeline import Order, Source

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Share:
    """The part of each batch that one worker's replicas take, in rows that are as many in every step.

    The last batch may be smaller, even smaller than the number of replicas. Rows that it lacks are filled with others
    of the same batch, which weigh nothing: so batch normalization sees real pictures, and no replica is without any.
    """

    count: int
    """Examples in all."""
    batch_size: int
    """Size of a global batch, over all workers."""
    replicas: int
    """Number of replicas of all workers."""
    first: int = 0
    """This worker's first replica."""
    local: int = 1
    """How many are this worker's."""

    @property
    def steps(self) -> int:
        """Batches in an epoch: the same number on every worker."""
        return -(-self.count // self.batch_size)

    @property
    def each(self) -> int:
        """Rows of a replica in a step."""
        return -(-self.batch_size // self.replicas)

    def batch(self, step: int) -> int:
        """Examples in a batch of all workers together."""
        return min(self.batch_size, self.count - step * self.batch_size)

    def rows(self) -> tuple[Array, Array]:
        """Where this worker's rows stand in the epoch's order, and whether they count.

        Returns:
            Two arrays `(steps, local * each)`, one replica after the other.
        """
        positions = [self._cut(np.arange(self.batch(step)) + step * self.batch_size) for step in range(self.steps)]
        counts = [self._cut(np.ones(self.batch(step)), fill=False) for step in range(self.steps)]
        return np.stack(positions), np.stack(counts).astype(np.float32)

    def _cut(self, batch: Array, *, fill: bool = True) -> Array:
        size = self.replicas * self.each
        filled = np.resize(batch, size) if fill else np.pad(batch, (0, size - len(batch)))
        # Dealt like cards, so that a small batch is spread over all replicas.
        dealt: Array = filled.reshape(self.each, self.replicas).T
        return dealt[self.first : self.first + self.local].ravel()


class SharedOrder(Order):
    """The order of an epoch, of which a worker takes its rows."""

    def __init__(self, whole: Order, positions: Array) -> None:
        super().__init__(positions.size, whole.seed, whole.epoch)
        self._whole, self._positions = whole, positions.ravel()

    def next(self) -> tuple[Array, np.int64]:
        """This worker's rows of the next epoch, and the stamp for its augmentation."""
        order, stamp = Order(self._whole.count, self.seed, self.epoch).next()
        self.epoch += 1
        return order[self._positions], stamp


def take(source: Source, positions: Array) -> Source:
    """Some examples of a source, as a source."""
    chosen = positions.ravel()
    return dataclasses.replace(
        source,
        paths=[source.paths[int(i)] for i in chosen],
        labels=source.labels[chosen],
        rows=None if source.rows is None else source.rows[chosen],
    )
