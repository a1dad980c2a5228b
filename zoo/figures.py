"""Says which nets of an architecture have published accuracies, and which ones.

This module needs only the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.assets import read_sizes
from zoo.specs import DROPOUT, NUM_CLASSES, ModelSpec


def variants(spec: ModelSpec) -> list[dict[str, Any]]:
    """Returns all options of the nets that accuracies are published for, the default ones first.

    An architecture without published accuracies has its default options alone.
    """
    known = spec.accuracies
    rows = [dict(zip(known.options, row, strict=False)) for row in known.figures] if known else []
    found: list[dict[str, Any]] = []
    for values in map(spec.check, ({}, *rows)):
        found += [] if values in found else [values]
    return found


def top1(spec: ModelSpec, values: Mapping[str, Any]) -> float | None:
    """Returns the published top-1 accuracy of the float weights with these options, in percent; None if there is none.

    A figure holds for the default values of all options that its table does not name, except for the number of classes,
    which is that of a user's data, and for dropout, which is for training alone.

    Raises:
        OptionError: the model does not have an option, or does not allow a value.
    """
    full = spec.check(dict(values))
    return spec.accuracies.top1(full) if spec.accuracies and _is_as_published(spec, full) else None


def int8_top1(spec: ModelSpec, values: Mapping[str, Any]) -> float | None:
    """Returns the published top-1 accuracy in 8-bit integers, see `top1`."""
    full = spec.check(dict(values))
    return spec.accuracies.int8_top1(full) if spec.accuracies and _is_as_published(spec, full) else None


def sizes(spec: ModelSpec, values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Returns parameters and MACs with these options, as far as they are known without building the model.

    They are for the default options, and for the nets of the zoo that accuracies are published for.

    Raises:
        OptionError: as `top1`.
    """
    full = spec.check(dict(values))
    if full == spec.check({}):
        return spec.params, spec.macs
    if any(full[name] != default for name, default in _others(spec, full)):
        return None, None
    return read_sizes().get((spec.name, spec.instance_name(full)), (None, None))


def _others(spec: ModelSpec, full: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns the options that no net is called by, with their defaults."""
    return [(one.name, one.default_with(full)) for one in spec.options if not one.in_name and one.name != DROPOUT.name]


def _is_as_published(spec: ModelSpec, full: Mapping[str, Any]) -> bool:
    named = {*(spec.accuracies.options if spec.accuracies else ()), NUM_CLASSES.name, DROPOUT.name}
    others = (option for option in spec.options if option.name not in named)
    return all(full[option.name] == option.default_with(full) for option in others)
