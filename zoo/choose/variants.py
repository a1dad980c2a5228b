"""Lists the combinations to choose from: the options of one architecture or of several, and quantizations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo import figures, models
from zoo.accuracies import Accuracies
from zoo.errors import OptionError
from zoo.export.options import Quantize, mode
from zoo.specs import ModelSpec, in_words

IMAGENET_CLASSES = 1000
"""The number of classes that the published accuracies are for."""


@dataclass(frozen=True)
class Variant:
    """One combination of architecture, option values and quantization."""

    model: str
    options: tuple[tuple[str, Any], ...]
    """The options that are varied, and `num_classes`."""
    quantize: Quantize

    @property
    def varied(self) -> tuple[str, ...]:
        """The names of the options that are varied."""
        return tuple(name for name, _ in self.options if name != "num_classes")

    @property
    def values(self) -> dict[str, Any]:
        """The options, by name."""
        return dict(self.options)

    @property
    def short(self) -> str:
        """The values of the options that are varied, e.g. `0.35/96`; empty if none is."""
        return "/".join(in_words(value) for name, value in self.options if name != "num_classes" and value is not None)

    @property
    def net(self) -> str:
        """The name of the model that is built, e.g. `mobilenet_v2_0.35_96`."""
        return models.spec(self.model).instance_name(self.values)

    @property
    def stem(self) -> str:
        """The name of its file as `zoo build` writes it, without `.tflite`."""
        return self.net + mode(self.quantize).suffix

    @property
    def float_top1(self) -> float | None:
        """The published ImageNet top-1 of the float weights in percent; None if nothing is published."""
        return figures.top1(models.spec(self.model), self.values)

    @property
    def int8_top1(self) -> float | None:
        """The published ImageNet top-1 in 8-bit integers in percent, of an int8 file; None if there is none."""
        return figures.int8_top1(models.spec(self.model), self.values) if self.quantize == "int8" else None

    @property
    def top1(self) -> float | None:
        """The published ImageNet top-1 in percent: in int8 if the file is, and there is one, else in float."""
        return self.float_top1 if self.int8_top1 is None else self.int8_top1

    @property
    def command(self) -> str:
        """The command that builds its file."""
        defaults = {option.name: option.default_with(self.values) for option in models.spec(self.model).options}
        parts = ["zoo build", self.model]
        parts += [f"--{name.replace('_', '-')} {in_words(v)}" for name, v in self.options if v != defaults[name]]
        return " ".join([*parts, *([] if self.quantize == "none" else [f"--quantize {self.quantize}"])])


def accuracies(model: str) -> Accuracies:
    """Returns the accuracies that are published for a model.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: no accuracy is published for the model.
    """
    known = models.spec(model).accuracies
    if known is None:
        raise OptionError(
            f"no ImageNet accuracy is published for {model} as it is built here, so that there is nothing to choose "
            "by; zoo benchmark compares files of any model"
        )
    return known


def grid(
    model: str | Sequence[str] | None = None,
    *,
    quantize: Sequence[str] = ("none", "int8"),
    num_classes: int | None = None,
    whole: bool = False,
    **values: Sequence[Any],
) -> tuple[Variant, ...]:
    """Returns all combinations of some values.

    Args:
        model: a registered name, or several; by default all models with published accuracies that have these options
            and allow one of their values.
        quantize: modes of `zoo.export.options`.
        num_classes: the number of classes; by default the model's own.
        whole: whether to add the combinations of default values that have no published accuracy.
        **values: the values of an option, such as `alpha=[0.35, 0.5]`; by default those with published accuracies.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: no accuracy is published for the model, it does not have an option, or a value is not allowed.
        ExportError: there is no such mode.
    """
    modes = [mode(name).name for name in dict.fromkeys(quantize)]
    given = {name: tuple(some) for name, some in values.items() if len(some)}
    if model is not None:
        names = (model,) if isinstance(model, str) else tuple(dict.fromkeys(model))
        return tuple(one for name in names for one in _of_one(name, given, modes, num_classes, whole=whole))
    found: list[Variant] = []
    for name in models.rated_models():
        allowed = _allowed(models.spec(name), given)
        if all(allowed.values()):
            some = _of_one(name, allowed, modes, num_classes, whole=whole)
            found += [variant for variant in some if whole or variant.top1 is not None]
    if not found:
        asked = ", ".join(f"{name}={','.join(map(in_words, some))}" for name, some in given.items())
        raise OptionError(f"no model has a published accuracy with {asked}; name a model, or leave that out")
    return tuple(found)


def _of_one(
    model: str, given: Mapping[str, Sequence[Any]], modes: Sequence[Quantize], num_classes: int | None, *, whole: bool
) -> list[Variant]:
    """Returns the combinations of one model."""
    spec, known = models.spec(model), accuracies(model)
    names = {option.name for option in spec.options}
    for name in given:
        if name not in names:
            raise OptionError(f"{model} has no option {name!r}; leave it out")
    varied = list(dict.fromkeys((*known.options, *given)))
    choices = [dict.fromkeys(given.get(name, ())) or known.values(name) for name in varied]
    classes = {} if num_classes is None else {"num_classes": num_classes}
    found: list[Variant] = []
    for combination in itertools.product(*choices):
        checked = spec.check(dict(zip(varied, combination, strict=True)) | classes)
        options = tuple((name, checked[name]) for name in (*varied, "num_classes"))
        variants = [Variant(model, options, name) for name in modes]
        if whole or given or variants[0].float_top1 is not None:
            found += variants
    return found


def _allowed(spec: ModelSpec, given: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """Returns, for each option, those of the given values that a model allows; none if it does not have the option."""
    options = {option.name: option for option in spec.options}
    return {
        name: tuple(value for value in some if name in options and options[name].allows(value))
        for name, some in given.items()
    }
