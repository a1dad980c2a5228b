"""Describes a model without building it: paper, input, options, recipes, and what is published for it.

This module needs only the standard library, so that `zoo list` and a board can read it in milliseconds.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.accuracies import Accuracies
from zoo.bounds import MAX_SEED
from zoo.errors import OptionError
from zoo.published import Backbone, Original, PublishedWeights


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
    follows: str = ""
    """The name of another option that decides the default; empty if the default is always the same."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The default for each value of the option that `follows` names."""

    def default_with(self, values: Mapping[str, Any]) -> Any:
        """Returns the default beside these values of the other options."""
        return self.defaults.get(values.get(self.follows, ""), self.default)

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
        if not self.allows(value):
            raise OptionError(f"{model}: {self.name}={value!r} is not allowed; give {self.allowed}")
        return self._convert(value)

    def allows(self, value: Any) -> bool:
        """Whether the option can have a value."""
        converted = self._convert(value)
        items = converted if isinstance(converted, tuple) else (converted,)
        return converted is not None and all(map(self._fits, items))

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
class Caution:
    """What a user should know before he makes files of some variants of a model in some quantization modes."""

    text: str
    modes: tuple[str, ...]
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """The variants: values of options. An option that is not listed may have any value."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is about a model with these options."""
        return all(values.get(name) in allowed for name, allowed in self.options.items())


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
    cautions: tuple[Caution, ...] = ()
    backbone: Backbone | None = None
    """The facts about this architecture's model in keras.applications, if there is one."""
    taps: Mapping[int, str] | Callable[[Mapping[str, Any]], Mapping[int, str]] = field(default_factory=dict)
    """The layers whose outputs a detector's head can begin at, by their strides in pixels: 8, 16 and 32. Or, where they
    depend on the options, a function that returns them."""
    originals: tuple[Original, ...] = ()
    """The programs whose files of weights fit, although they are not Keras': PyTorch's and TensorFlow 1's."""

    def check(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the values of all options, including defaults.

        Raises:
            OptionError: this model does not take an option, or does not allow a value.
        """
        known = {option.name: option for option in self.options}
        for name in values:
            if name not in known:
                raise OptionError(f"{self.name} has no option {name!r}; it takes {', '.join(known) or 'none'}")
        # Options that follow others come second, because their defaults depend on the others' checked values.
        found: dict[str, Any] = {}
        for option in sorted(self.options, key=lambda option: bool(option.follows)):
            default = option.default_with(found)
            found[option.name] = option.check(values.get(option.name, default), self.name)
        return {name: found[name] for name in known}

    def taps_for(self, options: Mapping[str, Any]) -> Mapping[int, str]:
        """Returns the layers that a detector's head can begin at in a model with these options, by their strides."""
        return self.taps(options) if callable(self.taps) else self.taps

    def instance_name(self, values: dict[str, Any]) -> str:
        """Returns the name of a built model and of its files: `mobilenet_v2`, or `mobilenet_v2_0.35_96`."""
        full = self._filled(values)
        named = [option for option in self.options if option.in_name]
        parts = [o.in_name.format(full[o.name]) for o in named if full[o.name] != o.default_with(full)]
        # What comes from elsewhere has a word and a colon in front, which a file's name cannot have.
        return "_".join([self.name.rpartition(":")[-1], *parts])

    def _filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of all options, with the defaults of those that are missing; nothing is checked."""
        plain = {option.name: values.get(option.name, option.default) for option in self.options}
        return {option.name: values.get(option.name, option.default_with(plain)) for option in self.options}

    def notes(self, values: dict[str, Any]) -> list[str]:
        """Returns notes for the user about these option values, one line each."""
        given = self._filled(values)
        published = {name: found for name in given if (found := self.published_values(name))}

        def note(name: str, others: Iterable[Any], beside: str = "") -> str:
            known = ", ".join(map(in_words, others))
            what = f"{name} {in_words(given[name])}"
            return f"{what} is not a published one{beside} ({known}): no pretrained weights exist for it"

        notes = [note(name, found) for name, found in published.items() if given[name] not in found]
        # Weights may be published for each value, but not for all of them together.
        tied = {name: given[name] for name in published}
        for name in reversed([] if notes else list(tied)):
            fitting = {value for weights in self.weights for value in weights.values_with(name, tied)}
            if tied[name] in fitting:
                return []
            if fitting:
                beside = " and ".join(f"{other} {in_words(tied[other])}" for other in tied if other != name)
                return [note(name, sorted(fitting), f" with {beside}")]
        return notes

    def cautions_for(self, values: Mapping[str, Any], modes: Iterable[str] | None = None) -> list[str]:
        """Returns what a user should know of files with these options, one line each.

        Args:
            values: all of the model's options, see `check`.
            modes: the quantization modes of the files; by default any.
        """
        wanted = None if modes is None else set(modes)
        return [
            caution.text
            for caution in self.cautions
            if caution.holds(values) and (wanted is None or wanted.intersection(caution.modes))
        ]

    def published_values(self, option: str) -> tuple[Any, ...]:
        """Returns an option's values that weights are published for, in ascending order; empty if any value fits."""
        found = [weights.values(option) for weights in self.weights]
        return tuple(sorted({value for values in found for value in values})) if all(found) else ()

    def check_facts(self) -> None:
        """Checks that the published weights, accuracies and defaults fit the options.

        Raises:
            OptionError: two weights have the same name, or a fact is about an option or a value that the model does
                not have.
        """
        for option in self.options:
            for value, default in option.defaults.items():
                self.check({option.follows: value, option.name: default})
        names = [weights.name for weights in self.weights]
        if len(set(names)) < len(names):
            raise OptionError(f"{self.name}: two published weights have one name ({', '.join(names)})")
        for file in (file for weights in self.weights for file in weights.files):
            self.check(dict(file.options))
        for caution in self.cautions:
            for name, allowed in caution.options.items():
                for value in allowed:
                    self.check({name: value})
        if self.accuracies is not None:
            for row in self.accuracies.figures:
                self.check(dict(zip(self.accuracies.options, row, strict=False)))

    def with_defaults(self, defaults: dict[str, Any]) -> ModelSpec:
        """Returns the same spec with the builder's default values in the options."""
        options = (dataclasses.replace(option, default=defaults[option.name]) for option in self.options)
        return dataclasses.replace(self, options=tuple(options))

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


def dropout_of(option: str, shares: Mapping[str, float]) -> Option:
    """Returns `DROPOUT` for a model whose share depends on another option.

    Args:
        option: the name of the other option.
        shares: the share for each of its values.
    """
    return dataclasses.replace(DROPOUT, follows=option, defaults=shares)
