"""Which channels are removed: how many of each family, in which order, and what is given back at the end."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from zoo.compress.prune.channels import Array, Channels, Family, Weighted
from zoo.compress.prune.choosing import choose, steps
from zoo.errors import OptionError

Scores = npt.NDArray[np.float64]


def family(name: str, first: int, count: int, parts: int = 1) -> Family:
    """Channels from `first` on, in equal parts one after the other."""
    return Family(name, np.arange(first, first + count), np.arange(count) * parts // count, added=False)


def dense(ins: Array, outs: Array, positions: int = 1) -> Weighted:
    """A dense layer, or a convolution of 1x1, at so many places: its cost is the product of the three numbers."""
    return Weighted(SimpleNamespace(kernel=np.zeros((len(ins), len(outs)))), "dense", ins, outs, positions)


def chain(*widths: int) -> Channels:
    """Dense layers one behind the other; the channels between them are families."""
    ends = np.cumsum([0, *widths]).tolist()
    numbers = [np.arange(a, b) for a, b in itertools.pairwise(ends)]
    layers = [dense(ins, outs) for ins, outs in itertools.pairwise(numbers)]
    families = [family(f"f{i}", ends[i], widths[i]) for i in range(1, len(widths) - 1)]
    return Channels(ends[-1], tuple(layers), tuple(families))


def apart(*positions: int) -> Channels:
    """Families of 16 channels that have nothing to do with one another; each costs 16 times its positions."""
    families = [family(f"f{i}", 1 + 16 * i, 16) for i in range(len(positions))]
    layers = [dense(np.array([0]), one.channels, n) for one, n in zip(families, positions, strict=True)]
    return Channels(1 + 16 * len(positions), tuple(layers), tuple(families))


def worth(channels: Channels, values: Sequence[float]) -> Scores:
    """Scores with which each channel of a family is worth the same, but for an order among them."""
    scores = np.zeros(channels.count)
    for one, value in zip(channels.families, values, strict=True):
        scores[one.channels] = value * (1 + np.arange(len(one.channels)) / 1000)
    return scores


def left(channels: Channels, scores: Scores, keep: float) -> list[int]:
    """How many channels of each family are kept."""
    kept = choose(channels, scores, keep)
    return [int(kept[one.channels].sum()) for one in channels.families]


def test_the_worst_channels_go_first_and_a_multiple_of_eight_stays() -> None:
    scores = np.array([5.0, 3, 14, 1, 2, 9, 8, 17, 6, 0, 10, 11, 12, 13, 4, 15, 16, 7, 18, 19])
    order = np.argsort(scores)
    first, second = steps(family("f", 0, 20), scores)
    assert (first.tolist(), second.tolist()) == (order[:4].tolist(), order[4:12].tolist())


@pytest.mark.parametrize(
    ("count", "kept"),
    [(8, []), (9, [8]), (16, [8]), (17, [16, 8]), (24, [16, 8]), (64, [56, 48, 40, 32, 24, 16, 8]), (65, [64, 16])],
)
def test_no_step_leaves_less_than_an_eighth_nor_less_than_eight(count: int, kept: list[int]) -> None:
    numbers = count - np.cumsum([len(one) for one in steps(family("f", 0, count), np.arange(float(count)))], dtype=int)
    assert numbers.tolist()[:1] == kept[:1]
    assert numbers.tolist()[-1:] == kept[-1:]
    assert set(numbers) == set(range(kept[-1], count, 8)) if kept else not len(numbers)


def test_an_eighth_is_rounded_up_to_a_whole_step() -> None:
    for count, least in ((128, 16), (129, 24), (136, 24), (192, 24)):
        assert count - sum(map(len, steps(family("f", 0, count), np.arange(float(count))))) == least


def test_each_part_loses_its_own_worst_channels_and_as_many_as_the_others() -> None:
    # The worst channels of all are those of the first of three parts.
    (step,) = steps(family("f", 0, 48, parts=3), np.arange(48.0))
    assert step.tolist() == [*range(8), *range(16, 24), *range(32, 40)]
    # Four groups divide eight evenly: two of each stay.
    assert [len(one) for one in steps(family("f", 0, 24, parts=4), np.arange(24.0))] == [8, 8]


def test_the_family_that_is_worth_least_for_what_it_saves_loses_channels_first() -> None:
    # Eight channels of the first save 4 * 8 + 8 * 16 = 160 of 352, of the second 8 * 16 + 8 * 2 = 144.
    net = chain(4, 16, 16, 2)
    assert left(net, worth(net, [1, 1]), 0.6) == [8, 16]
    assert left(net, worth(net, [1, 0.92]), 0.6) == [8, 16]
    assert left(net, worth(net, [1, 0.88]), 0.6) == [16, 8]


def test_no_more_than_the_share_is_left_and_no_channel_less_than_that_takes() -> None:
    net = apart(8)
    assert left(net, worth(net, [1]), 1) == [16]
    assert left(net, worth(net, [1]), 0.5) == [8]
    # All of it would be 128 multiply-accumulates, to which 127.9 are rounded.
    assert left(net, worth(net, [1]), 0.999) == [8]
    two = apart(8, 8)
    # After one step each share is met exactly.
    assert left(two, worth(two, [1, 2]), 0.75) == [8, 16]
    assert left(two, worth(two, [2, 1]), 0.75) == [16, 8]
    assert left(two, worth(two, [2, 1]), 0.74) == [8, 8]


def test_a_family_saves_less_once_its_neighbour_is_narrower() -> None:
    # The steps of the two neighbours save 160 and 144, until one is taken: then the other one's saves 80, as that of a
    # third family does, which has nothing to do with them.
    net = chain(4, 16, 16, 2)
    third = family("third", net.count, 16)
    alone = dense(np.array([0]), third.channels, positions=10)
    three = Channels(net.count + 16, (*net.layers, alone), (*net.families, third))
    share = (352 + 160 - 240) / (352 + 160)
    # At first the second family is the cheaper one, 8 / 144 to 5.6 / 80; once the first has gone, it costs 8 / 80.
    assert left(three, worth(three, [0.1, 1, 0.7]), share) == [8, 16, 8]
    assert left(three, worth(three, [0.1, 1, 1.4]), share) == [8, 8, 16]


def test_what_was_saved_too_much_is_given_back() -> None:
    # The cheap steps of the small families go first, 8 each, and are not needed once the large one loses its 800.
    nets = apart(1, 100)
    total = 16 + 1600
    assert left(nets, worth(nets, [0.001, 1]), (total - 800) / total) == [16, 8]
    # One less, and it does not fit.
    assert left(nets, worth(nets, [0.001, 1]), (total - 801) / total) == [8, 8]


@pytest.mark.parametrize(("scores", "expected"), [([0.001, 0.002, 1], [8, 16, 8]), ([0.002, 0.001, 1], [16, 8, 8])])
def test_the_step_that_is_worth_most_is_given_back_first(scores: list[float], expected: list[int]) -> None:
    nets = apart(1, 1, 100)
    total = 32 + 1600
    # There is room for one of the two.
    assert left(nets, worth(nets, scores), (total - 808) / total) == expected
    assert left(nets, worth(nets, scores), (total - 800) / total) == [16, 16, 8]


def test_only_the_last_step_of_a_family_is_given_back_with_its_own_channels() -> None:
    three = Channels(41, (dense(np.array([0]), np.arange(1, 25), 1), dense(np.array([0]), np.arange(25, 41), 100)),
                     (family("small", 1, 24), family("large", 25, 16)))  # fmt: skip
    scores = worth(three, [0.001, 1])
    kept = choose(three, scores, (24 + 1600 - 808) / (24 + 1600))
    # It lost its worst eight, then eight more, and has the latter back.
    assert kept[1:25].tolist() == [False] * 8 + [True] * 16
    assert kept[25:].tolist() == [False] * 8 + [True] * 8


@pytest.mark.parametrize("keep", [0, -0.5, 1.001, float("nan")])
def test_a_share_is_more_than_none_and_at_most_all(keep: float) -> None:
    net = chain(4, 16, 2)
    with pytest.raises(OptionError, match=f"keep={keep:g} is not allowed; give the share of the multiply-accumulates"):
        choose(net, np.ones(net.count), keep)


def test_where_less_is_asked_for_than_can_be_left_the_least_share_is_named() -> None:
    net = chain(4, 16, 16, 2)
    # 4 * 8 + 8 * 8 + 8 * 2 = 112 of 352 stay: 0.31818.
    with pytest.raises(OptionError, match=r"keep=0\.3 is less than can be kept: 0\.318 of .*; give 0\.319 or more"):
        choose(net, np.ones(net.count), 0.3)
    assert left(net, np.ones(net.count), 0.319) == [8, 8]
    nothing = chain(4, 2)
    with pytest.raises(OptionError, match=r"keep=0\.9 is less than can be kept: 1\.000 .* give 1 or more"):
        choose(nothing, np.ones(nothing.count), 0.9)
