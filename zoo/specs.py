"""Describes a model without building it: paper, input, options, recipes, and what is published for it.

This module needs only the standard library, so that `zoo list` and a board can read it in milliseconds.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import OptionError
from zoo.published import Accuracies, Backbone, PublishedWeights

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy's global random state takes."""


def check_seed(seed: int) -> None:
    """Refuses a value that is not a seed.

    Raises:
        OptionError: the value is not a whole number from 0 to `MAX_SEED`.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise OptionError(f"seed={seed!r} is not allowed; give a whole number from 0 to {MAX_SEED}")


@dataclass(frozen=True)
class Option:
    """One keyword argument of a builder, with the values that it allows.

    `default` is filled in from the builder's signature when it is registered, so that it is written in
    one place only.
    """

    name: str
    help: str
    kind: type = int
    """`int`, `float`, `str` (with `choices`), `bool` (a flag on the command line), or `tuple` (of ints, written
    `128,64` there)."""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    above: float | None = None
    """Exclusive lower bound."""
    below: float | None = None
    """Exclusive upper bound."""
    multiple_of: int | None = None
    in_name: str = ""
    """The format of a value other than the default in the model's name, e.g. `{:g}`; empty to leave it out."""
    default: Any = None

    @property
    def allowed(self) -> str:
        """Describes the allowed values, e.g. `an integer, at least 32, a multiple of 32`."""
        if self.kind is bool:
            return "True or False"
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        parts = [{int: "an integer", float: "a number", tuple: "integers such as 128,64"}[self.kind]]
        if self.minimum is not None:
            parts.append(f"at least {self.minimum:g}")
        if self.above is not None:
            parts.append(f"above {self.above:g}")
        if self.below is not None:
            parts.append(f"below {self.below:g}")
        if self.multiple_of is not None:
            parts.append(f"a multiple of {self.multiple_of}")
        return ", ".join(parts)

    def check(self, value: Any, model: str) -> Any:
        """Returns `value` in the option's type; an `OptionError` names the value, the model and what is allowed."""
        if value is None and self.default is None:
            return None
        converted = self._convert(value)
        items = converted if isinstance(converted, tuple) else (converted,)
        if converted is None or not all(self._fits(item) for item in items):
            raise OptionError(f"{model}: {self.name}={value!r} is not allowed; give {self.allowed}")
        return converted

    def _convert(self, value: Any) -> Any:
        if self.kind is bool or isinstance(value, bool):
            return value if self.kind is bool and isinstance(value, bool) else None
        if self.kind is tuple:
            if not isinstance(value, list | tuple):
                value = (value,)
            return tuple(value) if all(type(item) is int for item in value) else None
        if self.kind is str:
            return value if isinstance(value, str) else None
        if self.kind is float and isinstance(value, numbers.Real):
            return float(value) if math.isfinite(value) else None
        # numpy integers count as integers; 3.7 does not.
        return int(value) if hasattr(value, "__index__") else None

    def _fits(self, value: float) -> bool:
        return (
            (not self.choices or value in self.choices)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (self.multiple_of is None or value % self.multiple_of == 0)
        )


@dataclass(frozen=True)
class ModelSpec:
    """The description of an architecture. All figures are those of the default options."""

    name: str
    summary: str
    """A description of one line, for tables."""
    paper: str = ""
    """Authors, title, year; empty for a user's own model."""
    url: str = ""
    input_shape: tuple[int, ...] | None = None
    """The shape without the batch: `(height, width, channels)` or `(steps, channels)`."""
    params: int | None = None
    macs: int | None = None
    """Number of multiply-accumulates of one inference: convolutions and dense layers, without biases."""
    options: tuple[Option, ...] = ()
    task: str = "classification"
    """The task, which says what the outputs mean."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The fields that differ from `zoo.training.Recipe`'s defaults in a training from random weights."""
    transfer_recipe: Mapping[str, Any] = field(default_factory=dict)
    """The fields that differ from `zoo.training.recipe.TRANSFER` in a training from pretrained weights."""
    weights: tuple[PublishedWeights, ...] = ()
    accuracies: Accuracies | None = None
    backbone: Backbone | None = None
    """The facts about this architecture's model in keras.applications, if there is one."""

    def check(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the values of all options, including defaults.

        Raises:
            OptionError: this model does not take an option, or does not allow a value.
        """
        known = {option.name: option for option in self.options}
        for name in values:
            if name not in known:
                takes = ", ".join(known) or "none"
                raise OptionError(f"{self.name} has no option {name!r}; it takes {takes}")
        return {name: option.check(values.get(name, option.default), self.name) for name, option in known.items()}

    def instance_name(self, values: dict[str, Any]) -> str:
        """Returns the name of a built model and of its files: `mobilenet_v2`, or `mobilenet_v2_0.35_96`."""
        # What comes from elsewhere has a word and a colon in front, which a file's name cannot have.
        parts = [self.name.rpartition(":")[-1]]
        for option in self.options:
            value = values.get(option.name, option.default)
            if option.in_name and value != option.default:
                parts.append(option.in_name.format(value))
        return "_".join(parts)

    def notes(self, values: dict[str, Any]) -> list[str]:
        """Returns notes for the user about these option values, one line each."""
        notes = []
        for option in self.options:
            value, published = values.get(option.name, option.default), self.published_values(option.name)
            if published and value not in published:
                notes.append(
                    f"{option.name} {in_words(value)} is not a published one ({', '.join(map(in_words, published))}): "
                    "no pretrained weights exist for it"
                )
        return notes

    def published_values(self, option: str) -> tuple[Any, ...]:
        """Returns an option's values that weights are published for, in ascending order; empty if any value fits."""
        found = [weights.values(option) for weights in self.weights]
        return tuple(sorted({value for values in found for value in values})) if all(found) else ()

    def check_facts(self) -> None:
        """Checks that the published weights and accuracies fit the options.

        Raises:
            OptionError: two weights have the same name, or a fact is about an option or a value that the model does
                not have.
        """
        names = [weights.name for weights in self.weights]
        if len(set(names)) < len(names):
            raise OptionError(f"{self.name}: two published weights have one name ({', '.join(names)})")
        for weights in self.weights:
            for file in weights.files:
                self.check(dict(file.options))
        if self.accuracies is not None:
            for row in self.accuracies.figures:
                self.check(dict(zip(self.accuracies.options, row, strict=False)))

    def with_defaults(self, defaults: dict[str, Any]) -> ModelSpec:
        """Returns the same spec with the builder's default values in the options."""
        options = tuple(dataclasses.replace(o, default=defaults[o.name]) for o in self.options)
        return dataclasses.replace(self, options=options)

    def starting_at(self, folder: Path) -> ModelSpec:
        """Returns the same spec, with relative paths of its weights' files resolved from a folder."""
        return dataclasses.replace(self, weights=tuple(weights.starting_at(folder) for weights in self.weights))


def in_words(value: Any) -> str:
    """Returns an option's value as messages show it: `0.35`, `dense`."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


NUM_CLASSES = Option("num_classes", "number of classes", minimum=2)
"""The option that every classifier has: its number of classes."""

AUTO = "auto"
"""The name for published weights if they can be had, else random ones; see `zoo.weights.auto`."""

DROPOUT = Option("dropout", "share of units that dropout switches off in training", kind=float, minimum=0, below=1)
"""The option with the share of units that are dropped in training, before or after the large dense layers."""
