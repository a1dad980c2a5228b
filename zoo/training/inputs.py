"""Prepares the inputs of a training: the shape that the data must have, and facts that must not change later."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from zoo.data import Data
from zoo.errors import OptionError
from zoo.registry import spec
from zoo.text import count_of
from zoo.training.recipe import Recipe
from zoo.weights.reading import skeleton

if TYPE_CHECKING:
    import keras


def skeleton_of(model: str | keras.Model, options: dict[str, Any]) -> keras.Model:
    """Returns a model whose input has the shape that the data must have: the model itself, or one without weights.

    Args:
        model: a model, or the name of a model of the zoo.
        options: the options of the named model.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: the model does not have an option.
    """
    if not isinstance(model, str):
        return model
    # The number of classes is the data's, which are not read yet.
    return skeleton(model, spec(model).check({key: value for key, value in options.items() if key != "num_classes"}))


def facts_of(data: Data) -> dict[str, Any]:
    """Returns the facts about data that must be the same on all workers, and in a run that continues."""
    files = "".join(f"{path.parent.name}/{path.name}\n" for source in data.sources.values() for path in source.paths)
    return {
        "classes": data.class_names,
        "files": {split: len(source) for split, source in data.sources.items() if len(source)},
        "hash of the files' names": hashlib.sha256(os.fsencode(files)).hexdigest()[:12],
    }


def describe_data(data: Data) -> dict[str, Any]:
    """Returns the facts about data that a run's `recipe.toml` holds besides their path.

    They name classes, and no file.
    """
    columns, rows = data.report.table()
    return {
        "pictures": data.sources["train"].reader.takes_pictures,
        "splits": facts_of(data)["files"],
        "counts": [list(row[:-1]) for row in (columns, *rows)],
        "report": data.report.without_names(),
    }


def describe_copies(data: Data, recipe: Recipe) -> str:
    """Returns why an epoch takes each file several times, and how that is changed; empty if it takes each once."""
    count, length = len(data.sources["train"]), data.order.length
    if length <= count:
        return ""
    return (
        f"an epoch has {count_of(-(-length // recipe.batch_size), 'step')}, in which each of "
        f"{count_of(count, 'training file')} comes {length / count:.1f} times: the recipe asks for at least "
        f"{recipe.min_steps:,} steps in all epochs together; --min-steps changes that, and 0 takes each file once"
    )


def require_classes(options: dict[str, Any], data: Data) -> None:
    """Takes `num_classes` out of options.

    Raises:
        OptionError: the number is not that of the data.
    """
    asked, there = options.pop("num_classes", None), len(data.class_names)
    if asked is not None and asked != there:
        raise OptionError(
            f"num_classes={asked}, but the data have {count_of(there, 'class')} ({', '.join(data.class_names[:10])})"
        )
