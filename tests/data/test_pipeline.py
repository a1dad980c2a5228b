from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from zoo.data.pipeline import Order, Source, make_dataset
from zoo.data.reading import Reader


@pytest.fixture
def source() -> Source:
    """Five pictures of one shade each, with labels of two numbers."""
    store = np.broadcast_to(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), (5, 4, 4, 3))
    labels = np.stack([np.arange(5), np.zeros(5)], axis=1).astype(np.float32)
    return Source([Path(str(i)) for i in range(5)], labels, Reader((4, 4, 3)), store, np.arange(5))


def test_an_epoch_of_few_examples_passes_over_them_several_times() -> None:
    once, thrice = Order(7, seed=3, epoch=2), Order(7, seed=3, epoch=2, least=21)
    order, _ = thrice.next()
    assert thrice.length == len(order) == 21
    rounds = order.reshape(3, 7)
    assert all(sorted(one) == list(range(7)) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 3
    # The first pass is that of an epoch of one pass.
    np.testing.assert_array_equal(rounds[0], once.next()[0])


@pytest.mark.parametrize(("count", "least", "length"), [(7, 0, 7), (7, 6, 7), (7, 8, 8), (7, 20, 20), (7, 22, 22)])
def test_an_epoch_takes_no_more_examples_than_its_steps_need(count: int, least: int, length: int) -> None:
    """A few examples short of the steps is no reason to take all of them once more, for twice the time."""
    order = Order(count, seed=3, least=least)
    assert order.length == length
    epochs = [order.next()[0] for _ in range(2)]
    assert [len(one) for one in epochs] == [length, length]
    often = np.bincount(epochs[0], minlength=count)
    assert often.max() - often.min() <= 1
    # Which are taken once more is another matter in each epoch.
    assert length % count == 0 or not np.array_equal(epochs[0][-1:], epochs[1][-1:])


def test_examples_and_labels_are_changed_alike_and_the_same_again(source: Source) -> None:
    seen: list[npt.NDArray[Any]] = []

    def change(
        examples: npt.NDArray[Any], labels: npt.NDArray[Any], seeds: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        seen.extend(seeds)
        assert examples.dtype == np.uint8
        moves = np.array([np.random.default_rng(seed).integers(1, 100) for seed in seeds])
        return (examples + moves.reshape(-1, 1, 1, 1)).astype(np.uint8), labels + moves[:, np.newaxis].astype(
            np.float32
        )

    def epoch(number: int) -> list[Any]:
        batches = make_dataset(source, 4, Order(5, seed=1, epoch=number, least=10), change=change)
        assert int(batches.cardinality()) == 3
        return [(np.asarray(examples), np.asarray(labels)) for examples, labels in batches]

    first, again, second = epoch(0), epoch(0), epoch(1)
    assert [len(labels) for _, labels in first] == [4, 4, 2]
    for (examples, labels), (same, theirs) in zip(first, again, strict=True):
        assert examples.dtype == labels.dtype == np.float32
        np.testing.assert_array_equal(examples[:, 0, 0, 0], labels[:, 0])
        np.testing.assert_array_equal(examples, same)
        np.testing.assert_array_equal(labels, theirs)
    assert not np.array_equal(first[0][1], second[0][1])
    # The two passes over an example change it in two ways.
    assert len({tuple(seed) for seed in seen}) == 20
