from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.loading import make_reader
from zoo.data.pipeline import Order, Source
from zoo.training.distributed.sharding import Shard, ShardedOrder, subset


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 7))
def test_every_example_counts_once_in_its_batch(count: int, batch_size: int, replicas: int) -> None:
    shards = [Shard(count, batch_size, replicas, first) for first in range(replicas)]
    rows = [shard.rows() for shard in shards]
    steps = -(-count // batch_size)
    for step in range(steps):
        batch = range(step * batch_size, min(count, (step + 1) * batch_size))
        counted = []
        for positions, counts in rows:
            assert positions.shape == counts.shape == (steps, -(-batch_size // replicas))
            assert set(positions[step]) <= set(batch)
            counted += list(positions[step][counts[step] > 0])
        assert sorted(counted) == list(batch)
        assert shards[0].batch(step) == len(batch)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.integers(1, 3))
def test_a_worker_has_the_rows_of_its_replicas_one_after_the_other(
    count: int, batch_size: int, workers: int, local: int
) -> None:
    replicas = workers * local
    for worker in range(workers):
        together = Shard(count, batch_size, replicas, worker * local, local).rows()[0]
        alone = [Shard(count, batch_size, replicas, worker * local + i).rows()[0] for i in range(local)]
        np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))


def test_a_small_batch_is_spread_over_all_replicas() -> None:
    counts = [Shard(36, 32, 4, first).rows()[1][-1].sum() for first in range(4)]
    assert counts == [1, 1, 1, 1]


def test_a_sharded_order_is_the_whole_orders_and_another_each_epoch() -> None:
    positions = Shard(10, 4, 2, 1).rows()[0]
    whole, order = Order(10, seed=3), ShardedOrder(Order(10, seed=3), positions)
    for epoch in (0, 1, 5):
        whole.epoch = order.epoch = epoch
        expected, stamp = whole.next()
        found, found_stamp = order.next()
        np.testing.assert_array_equal(found, expected[positions].ravel())
        assert found_stamp == stamp


@pytest.mark.parametrize("stored", [True, False])
def test_some_examples_of_a_source(stored: bool) -> None:
    store = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2, 1)
    rows = np.array([5, 3, 1])
    source = Source(
        [Path(f"{i}.png") for i in range(3)],
        np.array([0, 1, 2], np.int32),
        make_reader((2, 2, 1)),
        store if stored else None,
        rows if stored else None,
    )
    taken = subset(source, np.array([[2, 0], [2, 1]]))
    assert [path.name for path in taken.paths] == ["2.png", "0.png", "2.png", "1.png"]
    assert taken.labels.tolist() == [2, 0, 2, 1]
    if stored:
        np.testing.assert_array_equal(taken.fetch(np.array([0, 3])), store[[1, 3]])
