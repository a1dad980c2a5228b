"""Finds what a model's spec says of the files that are made of it in a quantization mode."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from zoo import models
from zoo.errors import ExportError
from zoo.export.options import Quantize


def cautions(facts: Mapping[str, Any], mode: Quantize) -> list[str]:
    """Returns the cautions of a registered model, one line each; none for any other model.

    Args:
        facts: facts for a card, with `architecture`, a name in the registry, and `options`.
        mode: the file's quantization.
    """
    name = facts.get("architecture")
    if name not in models.list_models():
        return []
    return models.spec(str(name)).cautions_for(facts.get("options", {}), [mode])


@contextlib.contextmanager
def told(warnings: list[str]) -> Iterator[list[str]]:
    """Yields cautions, and adds them to the error of a conversion that fails.

    Raises:
        ExportError: the block raises one.
    """
    try:
        yield warnings
    except ExportError as error:
        raise ExportError("; ".join([str(error), *warnings])) from error
