"""Decides which examples are for training and which for validation.

Of each class, the share is held out: of n different pictures, the ceil(share * n) whose content has the lowest ranks.
The rank of a content depends on the content and the seed alone, so that

- the same files give the same split everywhere, whatever their names and their order are;
- a file that is added to or taken from a class moves at most one other file of it from one side to the other;
- copies of a file fall on the same side.

Files that belong together (copies, pictures of one object, frames of one film) form a unit, which is taken as a whole,
in the order of the units' ranks, where it brings the classes nearer to their shares. Each class that has two units or
more has one on each side.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.inputs.splits import SplitName


@dataclass(frozen=True)
class _Unit:
    """Examples that stay together."""

    rank: float
    key: str
    counts: Counter[int]
    """Number of different contents of each class."""


def rank(content: str, seed: int) -> float:
    """Returns the rank of a content for a seed: a uniformly distributed number in [0, 1)."""
    digest = hashlib.blake2b(f"{seed} {content}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def split_by_content(
    contents: Sequence[str],
    labels: Sequence[int],
    validation: float = 0.2,
    seed: int = 0,
    units: Sequence[str] | None = None,
) -> list[SplitName]:
    """Splits examples as the module's docstring describes.

    Args:
        contents: a hash of each file.
        labels: the label of each file; files with the same content have the same label.
        validation: the share of validation files, in [0, 1); with 0 all files are for training.
        seed: the random seed; another seed gives another split.
        units: the unit of each file; files of one unit stay together. By default each content is a unit.

    Returns:
        `train` or `validation` for each file. A class of two units or more has both, unless its units hold other
        classes that have nothing else to train on; one of a single unit is for training.
    """
    keys = list(contents if units is None else units)
    if validation <= 0:
        return ["train"] * len(keys)
    chosen = _choose(_units(contents, labels, keys, seed), validation)
    return ["validation" if key in chosen else "train" for key in keys]


def _units(contents: Sequence[str], labels: Sequence[int], keys: Sequence[str], seed: int) -> list[_Unit]:
    members: dict[str, set[tuple[str, int]]] = {}
    for key, content, label in zip(keys, contents, labels, strict=True):
        members.setdefault(key, set()).add((content, label))
    made = [_Unit(rank(key, seed), key, Counter(label for _, label in sorted(found))) for key, found in members.items()]
    return sorted(made, key=lambda unit: (unit.rank, unit.key))


def _choose(units: list[_Unit], validation: float) -> set[str]:
    total: Counter[int] = Counter()
    for unit in units:
        total.update(unit.counts)
    # Without the small number, 0.1 * 30 would be a little more than 3.
    wanted = {label: math.ceil(validation * count - 1e-9) for label, count in total.items()}
    taken: Counter[int] = Counter()
    chosen: set[str] = set()

    def leaves_some(unit: _Unit) -> bool:
        return all(taken[label] + count < total[label] for label, count in unit.counts.items())

    def gain(unit: _Unit) -> int:
        """How much nearer a unit brings the classes to their shares, in examples."""
        return sum(
            abs(wanted[label] - taken[label]) - abs(wanted[label] - taken[label] - count)
            for label, count in unit.counts.items()
        )

    for unit in units:
        if leaves_some(unit) and gain(unit) > 0:
            chosen.add(unit.key)
            taken.update(unit.counts)
    for label in sorted(total):
        if taken[label]:
            continue
        # All units of the class are large: the smallest one is better than none.
        smallest = sorted((unit for unit in units if unit.counts[label]), key=lambda unit: sum(unit.counts.values()))
        found = next((unit for unit in smallest if leaves_some(unit)), None)
        if found is not None:
            chosen.add(found.key)
            taken.update(found.counts)
    return chosen
