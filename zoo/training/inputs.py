"""Prepares the inputs of a training: data that fit the model, and facts that must not change when it continues."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Data, load
from zoo.errors import OptionError
from zoo.registry import spec
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    import keras


def input_shape(model: str | keras.Model, options: dict[str, Any]) -> tuple[int, ...]:
    """Returns the shape of a model's input, without the batch.

    Args:
        model: a model, or the name of a model of the zoo.
        options: the options of the named model.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: the model does not have an option.
    """
    if not isinstance(model, str):
        shape: tuple[int, ...] = tuple(model.input_shape[1:])
        return shape
    from zoo.summary.table import outline

    full = spec(model).check({key: value for key, value in options.items() if key != "num_classes"})
    return tuple(outline(model, **full).input_shape)


def load_data(data: str | Path, shape: tuple[int, ...], recipe: Recipe, read: Callable[[str], None] | None) -> Data:
    """Loads data for a model's input as a recipe wants them; errors as `zoo.data.load`."""
    pictures = len(shape) == 3
    return load(
        data,
        shape,
        batch_size=recipe.batch_size,
        validation=recipe.validation,
        seed=recipe.seed,
        group_by=recipe.group_by,
        resize=recipe.resize if pictures else None,
        augment=recipe.augment if pictures else "none",
        progress=read,
    )


def facts_of(data: Data) -> dict[str, Any]:
    """Returns the facts about data that must be the same on all workers, and in a run that continues."""
    files = "".join(f"{path.parent.name}/{path.name}\n" for source in data.sources.values() for path in source.paths)
    return {
        "classes": data.class_names,
        "files": {split: len(source) for split, source in data.sources.items() if len(source)},
        "hash of the files' names": hashlib.sha256(os.fsencode(files)).hexdigest()[:12],
    }


def require_classes(options: dict[str, Any], data: Data) -> None:
    """Takes `num_classes` out of options.

    Raises:
        OptionError: the number is not that of the data.
    """
    asked, there = options.pop("num_classes", None), len(data.class_names)
    if asked is not None and asked != there:
        raise OptionError(
            f"num_classes={asked}, but the data have {there} classes ({', '.join(data.class_names[:10])})"
        )


def require_outputs(model: keras.Model, data: Data) -> keras.Model:
    """Returns the model, if it has one output for each class.

    Raises:
        OptionError: it has another number of outputs.
    """
    if len(model.output_shape) != 2 or model.output_shape[-1] != len(data.class_names):
        raise OptionError(
            f"{model.name} gives {model.output_shape[1:]}, the data have {len(data.class_names)} classes; give a model "
            f"with {len(data.class_names)} outputs"
        )
    return model
