"""Decides which examples are for training and which for validation.

A file's side depends on its content and the seed, not on the files beside it:

- files that are added, renamed or copied move no file from training to validation, so a training that continues with
  more data is not validated on examples that it has learned;
- copies of a file are on the same side;
- each class has the share on average: of n files of a class, share * n are for validation, with a standard deviation
  of sqrt(n * share * (1 - share)). Exact shares are impossible if files are never to change sides.

Small classes need two more rules. If chance puts no file of a class into validation, its file of the lowest rank
goes there; a later file of a still lower rank moves it back to training, but none moves the other way. If chance puts
all files there, the one of the highest rank is for training. Only this file can move to validation later; the
probability of this case is share to the power of n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from zoo.inputs.labelled import SplitName


def rank(content: str, seed: int) -> float:
    """Returns the rank of a content for a seed: a uniformly distributed number in [0, 1)."""
    digest = hashlib.blake2b(f"{seed} {content}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def split_by_content(
    contents: Sequence[str], labels: Sequence[int], validation: float = 0.2, seed: int = 0
) -> list[SplitName]:
    """Splits examples as the module's docstring describes.

    Args:
        contents: a hash of each file.
        labels: the label of each file; files with the same content have the same label.
        validation: the share of validation files, in [0, 1); with 0 all files are for training.
        seed: the random seed; another seed gives another split.

    Returns:
        `train` or `validation` for each file. A class of two or more contents has both; a single content is for
        training.
    """
    by_class: dict[int, set[str]] = {}
    for content, label in zip(contents, labels, strict=True):
        by_class.setdefault(label, set()).add(content)
    chosen: set[str] = set()
    for members in by_class.values():
        if validation > 0 and len(members) > 1:
            chosen |= _choose(members, validation, seed)
    return ["validation" if content in chosen else "train" for content in contents]


def _choose(members: set[str], validation: float, seed: int) -> set[str]:
    ranked = sorted((rank(content, seed), content) for content in members)
    chosen = {content for value, content in ranked if value < validation}
    if not chosen:
        chosen = {ranked[0][1]}
    elif len(chosen) == len(members):
        chosen.remove(ranked[-1][1])
    return chosen
