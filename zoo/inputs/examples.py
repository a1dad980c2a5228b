"""Labelled files as values: what the readers of data folders and of CSV files return."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from zoo.errors import InputError
from zoo.inputs.splits import SplitName, alike
from zoo.text import count_of


class InSplit(Protocol):
    """A file that data may assign to a split."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def split(self) -> SplitName | None:
        """The split that the data assign it to; None if they assign none."""


Divided = TypeVar("Divided", bound=InSplit)


@dataclass(frozen=True)
class Labelled:
    """A file and the name of its class."""

    path: Path
    label: str
    split: SplitName | None = None
    """The split that the data assign it to; None if they assign none."""
    group: str | None = None
    """The group that the data assign it to; files of one group stay on one side of the split."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes in the file: a single one."""
        return (self.label,)


@dataclass(frozen=True)
class LabelledData:
    """The files that a folder or CSV file lists; none of them has been opened."""

    root: Path
    examples: tuple[Labelled, ...]
    class_names: tuple[str, ...]
    """The class names in alphabetical order, the order of Keras' `image_dataset_from_directory`."""
    notes: tuple[str, ...] = ()
    """One line for each group of files that are not used, and for what looks wrong."""

    @property
    def label_indices(self) -> tuple[int, ...]:
        """The class index of each example."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return tuple(index[example.label] for example in self.examples)

    def held_out(self) -> tuple[Labelled, ...]:
        """Returns the examples to evaluate a file on: the test split, else the validation split, else all examples.

        Raises:
            InputError: there are no examples.
        """
        if not self.examples:
            raise InputError(f"{self.root} holds no files in its class folders")
        return held_out(self.examples)

    def for_training(self) -> tuple[Labelled, ...]:
        """Returns the examples of the training split; all examples if the data assign no splits."""
        return tuple(example for example in self.examples if example.split in {None, "train"})


def held_out(examples: Sequence[Divided]) -> tuple[Divided, ...]:
    """Returns the examples to evaluate a file on: the test split, else the validation split, else all."""
    for split in ("test", "validation"):
        found = tuple(example for example in examples if example.split == split)
        if found:
            return found
    return tuple(examples)


def notes_on_names(names: tuple[str, ...]) -> list[str]:
    """Returns a note for each group of class names that differ only by case, blanks or underscores."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(alike(name), []).append(name)
    notes = [
        f"the classes {', '.join(map(repr, same))} differ only by case or blanks, and count as {len(same)} classes: "
        "give them one name if they are one"
        for same in groups.values()
        if len(same) > 1
    ]
    blank = [name for name in names if name != name.strip()]
    if blank:
        notes.append(f"the names of the classes {', '.join(map(repr, blank))} begin or end with a blank: rename them")
    return notes


def hint_of_alike(name: str, names: tuple[str, ...]) -> str:
    """Returns the end of a sentence on the name that another one was probably meant to be; empty if there is none."""
    same = [one for one in names if alike(one) == alike(name)]
    return f" ({name!r} and {same[0]!r} differ only by case or blanks: give them one name)" if same else ""


def notes_on_several(names: Sequence[str], *, blanks: bool = False) -> list[str]:
    """Returns a note on labels that look like several classes in one, such as `cat|dog` beside `cat`.

    Args:
        names: the names of the classes.
        blanks: whether blanks part classes, too.
    """
    signs = r"[|;,\s]+" if blanks else r"\s*[|;,]\s*"
    parts = {name: [part for part in re.split(signs, name) if part] for name in names}
    uses = Counter(part for found in parts.values() for part in set(found))
    several = [name for name, found in parts.items() if len(found) > 1 and any(uses[part] > 1 for part in found)]
    if not several:
        return []
    return [
        f"{count_of(len(several), 'label looks', 'labels look')} like several classes in one, such as "
        f"{several[0]!r}: edgezoo trains classifiers "
        "with exactly one class for each picture"
    ]
