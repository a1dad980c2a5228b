"""Names of the parts of a data set: which words mean training, validation and test."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

SplitName = Literal["train", "validation", "test"]

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

WORDS: dict[SplitName, frozenset[str]] = {
    "train": frozenset({"train", "training", "trn", "tr"}),
    "validation": frozenset({"val", "valid", "validation", "validate", "validating", "dev", "eval", "evaluation"}),
    "test": frozenset({"test", "testing", "tst"}),
}
"""The words that name each split, in lower case."""

_FILLERS = frozenset({"set", "sets", "data", "dataset", "images", "image", "imgs", "pictures", "photos", "split"})
"""Words beside the name of a split that say nothing."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
"""A word in a name; `trainSet` and `train_set` have two."""


def split_of(name: str) -> SplitName | None:
    """Returns the split that a name stands for, in any case and spelling; None if it names none.

    `Train`, `training`, `TRAIN_SET`, `trainset`, `train-data`, `1_train` and `train2017` all mean training; a name with
    any other word in it, such as `bullet train`, names no split.
    """
    words = [word for word in _words(name) if word not in _FILLERS]
    return _meaning(words[0]) if len(words) == 1 else None


def is_unassigned(word: str) -> bool:
    """Whether a word says that a file is of no split yet, as tables of Google's AutoML have it."""
    return word.casefold() == "unassigned"


def split_within(name: str) -> SplitName | None:
    """Returns the split that is named by one of several words, as in `seg_train`; None unless there is exactly one.

    Only names that stand beside others of the same kind can be read in this way: `bullet train` is a class, too.
    """
    found = {split for word in _words(name) if (split := _meaning(word)) is not None}
    return found.pop() if len(found) == 1 else None


def words_beside(name: str) -> list[str]:
    """Returns the words of a name that name no split: `asl` of `asl_train`, as of `asl_test`."""
    return [word for word in _words(name) if _meaning(word) is None]


def alike(name: str) -> str:
    """Returns what a name has in common with those that differ from it only by case, blanks or Unicode's forms."""
    return " ".join(re.split(r"[\s_]+", unicodedata.normalize("NFKC", name).strip().casefold()))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _meaning(word: str) -> SplitName | None:
    plain = re.sub(r"(set|data|dataset|images|imgs)$", "", word) or word
    return next((split for split, words in WORDS.items() if word in words or plain in words), None)
