"""Refuses models whose weights are no finite numbers, before a conversion fails by them without saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import ExportError
from zoo.graph import has_graph

if TYPE_CHECKING:
    import keras


def require_finite(model: keras.Model) -> None:
    """Finds out whether all weights of a model are finite numbers.

    Raises:
        ExportError: some are not; the message names their layer.
    """
    for layer in model._flatten_layers():
        if has_graph(layer):
            continue
        if not all(np.isfinite(np.asarray(one)).all() for one in layer.weights):
            raise ExportError(
                f"layer {layer.name!r} of {model.name} has weights that are not finite numbers (nan or inf); train it "
                "again with a lower learning rate, or load other weights"
            )
