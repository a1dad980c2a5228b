"""Keeps what a model was trained on in an earlier run from counting as held out in the next one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.data import Data
from zoo.errors import OptionError, listed
from zoo.inputs import seen
from zoo.inputs.labelled import SplitName
from zoo.text import count_of
from zoo.training.recipe import Recipe, as_option
from zoo.training.records.checkpointer import MODEL
from zoo.weights.fetch.download import file_hash

SPLITTING = ("seed", "validation", "group_by")
"""The fields of a recipe that decide which files are held out."""
HELD_OUT: tuple[SplitName, ...] = ("validation", "test")


def trained_on(run: Path, data: Data) -> list[Path]:
    """Returns the files which data hold out, and which a run's model was trained on by that run's own record."""
    paths = [path for split in HELD_OUT for path in data.sources[split].paths]
    known = seen.recall({"weights_from": "trained"}, run / MODEL, paths) or {}
    return [path for path in paths if known.get(path) == "train"]


def on_trained(known: Sequence[Path], data: Data, run: str, own: Recipe, recipe: Recipe, given: Iterable[str]) -> str:
    """Returns a note on held-out files that a model was trained on; empty if there are none.

    Args:
        known: these files.
        data: the data that hold them out.
        run: the name of the run in which the model was trained on them.
        own: the recipe of that run.
        recipe: the recipe by which the data are split now.
        given: the fields of it that the user gave.

    Raises:
        OptionError: there are some because the user has the files split otherwise than in that run.
    """
    if not known:
        return ""
    count, among = len(known), sum(len(data.sources[split]) for split in HELD_OUT)
    told = f"{count:,} of {count_of(among, 'held-out file')} {'is one' if count == 1 else 'are some'} that {run}"
    asked = {name: getattr(recipe, name) for name in SPLITTING if name in given}
    options = [as_option(name, value) for name, value in asked.items() if value != getattr(own, name)]
    if options:
        raise OptionError(
            f"with {listed(options)}, {told} was trained on, and would make the model look better than it is; leave "
            "the split as it was"
        )
    return f"{told} was trained on: the figures are better than those for new files"


def record(folder: Path, data: Data, known: Sequence[Path]) -> None:
    """Writes a run's record of its split, in which the files that its model was trained on before count as such.

    Raises:
        OutputError: it cannot be written.
    """
    trained = {file_hash(path, "sha256") for path in known}
    contents = data.report.contents
    seen.write(folder, [(content, "train" if content in trained else split) for content, split in contents])
