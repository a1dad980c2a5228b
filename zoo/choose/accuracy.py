"""ImageNet accuracies that others published for the zoo's architectures."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.assets import read_json


@dataclass(frozen=True)
class Published:
    """One source's figures for one architecture; percent, of float weights."""

    source: str
    url: str
    quantized: str
    """What is published of the loss in quantized files; may be empty."""
    columns: tuple[str, ...]
    """The names of the options, then `top1` and `top5`."""
    figures: tuple[tuple[float, ...], ...]

    def values(self, option: str) -> tuple[Any, ...]:
        """The values of an option that figures are published for, in ascending order."""
        if option not in self.columns:
            return ()
        at = self.columns.index(option)
        return tuple(sorted({row[at] for row in self.figures}))

    def top1(self, options: Mapping[str, Any]) -> float | None:
        """The top-1 accuracy with these options; None where nobody published it."""
        names = self.columns[:-2]
        wanted = tuple(options.get(name) for name in names)
        return next((row[-2] for row in self.figures if row[: len(names)] == wanted), None)


@functools.cache
def published(model: str) -> Published | None:
    """What is published for an architecture; see `zoo/assets/imagenet_top1.json`."""
    document = read_json("imagenet_top1.json")
    if model not in document:
        return None
    entry = document[model]
    rows = tuple(tuple(row) for row in entry["figures"])
    return Published(entry["source"], entry["url"], entry["quantized"], tuple(entry["columns"]), rows)
