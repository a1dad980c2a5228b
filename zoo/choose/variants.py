"""Lists the combinations to choose from: width, input size and quantization of one architecture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo import models
from zoo.errors import OptionError
from zoo.export.options import Quantize, mode
from zoo.published import Accuracies
from zoo.specs import in_words

AXES = ("alpha", "input_size")
"""The options that a caller may give values for, if a model has them; options that accuracies depend on vary, too."""


@dataclass(frozen=True)
class Variant:
    """One combination of option values and quantization."""

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
    def stem(self) -> str:
        """The name of its file as `zoo build` writes it, without `.tflite`."""
        return models.spec(self.model).instance_name(self.values) + mode(self.quantize).suffix

    @property
    def top1(self) -> float | None:
        """The published ImageNet top-1 of the float weights in percent; None if nothing is published."""
        known = models.spec(self.model).accuracies
        return known.top1(self.values) if known else None

    @property
    def command(self) -> str:
        """The command that builds its file."""
        spec = models.spec(self.model)
        defaults = {option.name: option.default for option in spec.options}
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
    model: str,
    *,
    alpha: Sequence[float] = (),
    input_size: Sequence[int] = (),
    quantize: Sequence[str] = ("none", "int8"),
    num_classes: int | None = None,
    whole: bool = False,
) -> tuple[Variant, ...]:
    """Returns all combinations of some values.

    Args:
        model: a registered name.
        alpha: width multipliers; by default those with published accuracies.
        input_size: input sizes; by default those with published accuracies.
        quantize: modes of `zoo.export.options`.
        num_classes: the number of classes; by default the model's own.
        whole: whether to add the combinations of default values that have no published accuracy.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: no accuracy is published for the model, it does not have an option, or a value is not allowed.
        ExportError: there is no such mode.
    """
    spec = models.spec(model)
    known = accuracies(model)
    modes = [mode(name).name for name in dict.fromkeys(quantize)]
    given = {"alpha": tuple(alpha), "input_size": tuple(input_size)}
    names = {option.name for option in spec.options}
    for name in AXES:
        if given[name] and name not in names:
            raise OptionError(f"{model} has no option {name!r}; leave it out")
    axes = list(dict.fromkeys((*known.options, *(name for name in AXES if given[name]))))
    choices = [dict.fromkeys(given.get(name, ())) or known.values(name) for name in axes]
    classes = {} if num_classes is None else {"num_classes": num_classes}
    found = []
    for combination in itertools.product(*choices):
        asked = dict(zip(axes, combination, strict=True))
        checked = spec.check(asked | classes)
        options = tuple((name, checked[name]) for name in (*axes, "num_classes"))
        variants = [Variant(model, options, name) for name in modes]
        if whole or any(given.values()) or variants[0].top1 is not None:
            found += variants
    return tuple(found)
