"""Describes the accuracies that are published for an architecture.

Each architecture's file in `zoo.models` states its own; the other packages only read them. This module needs only the
standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import OptionError


@dataclass(frozen=True)
class Accuracies:
    """ImageNet accuracies from one source, in percent."""

    source: str
    url: str
    columns: tuple[str, ...]
    """The names of the options, then `top1` and `top5` of the float weights, then `int8_top1` if any is published."""
    figures: tuple[tuple[Any, ...], ...]
    """One row for each combination of options that has a published accuracy; None for a figure that is not published,
    other than `top1`."""
    quantized: str = ""
    """A published note on the accuracy that quantized files lose; may be empty."""

    def __post_init__(self) -> None:
        if self.columns[len(self.options) :] not in {("top1", "top5"), ("top1", "top5", "int8_top1")} or any(
            len(row) != len(self.columns) for row in self.figures
        ):
            raise OptionError(
                "accuracies need the columns of their options, then top1 and top5, perhaps int8_top1, and rows as long"
            )

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options that the figures depend on."""
        return tuple(name for name in self.columns if name not in {"top1", "top5", "int8_top1"})

    def values(self, option: str) -> tuple[Any, ...]:
        """Returns the values of an option that figures are published for, in ascending order."""
        if option not in self.options:
            return ()
        at = self.columns.index(option)
        return tuple(sorted({row[at] for row in self.figures}))

    def top1(self, options: Mapping[str, Any]) -> float | None:
        """Returns the top-1 accuracy of the float weights in percent; None if it is not published for these options."""
        return self._figure("top1", options)

    def int8_top1(self, options: Mapping[str, Any]) -> float | None:
        """Returns the top-1 accuracy in 8-bit integers in percent; None if it is not published for these options."""
        return self._figure("int8_top1", options)

    def _figure(self, column: str, options: Mapping[str, Any]) -> float | None:
        if column not in self.columns:
            return None
        wanted, at = tuple(options.get(name) for name in self.options), self.columns.index(column)
        return next((row[at] for row in self.figures if row[: len(wanted)] == wanted), None)
