"""Refuses models with names that TensorFlow's graphs do not take, before a conversion fails by them without a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.errors import ExportError
from zoo.export.tflite.naming import operations_of

if TYPE_CHECKING:
    import keras

_MODEL = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_./>-]*")
_LAYER = re.compile(r"[A-Za-z0-9_./>-]+")
"""Match the names that TensorFlow takes for a scope, outside of all others and within one, and for an operation."""


def require_names(model: keras.Model) -> None:
    """Finds out whether a model and its layers have names that a graph can have; Keras itself takes any.

    Raises:
        ExportError: one has not; the message names it and proposes another.
    """
    wrong = [f"the model {model.name!r} has"] if not _MODEL.fullmatch(model.name) else []
    wrong += [
        f"layer {one.name!r} of {model.name} has" for one in operations_of(model) if not _LAYER.fullmatch(one.name)
    ]
    if wrong:
        raise ExportError(
            f"{wrong[0]} a name that no graph of TensorFlow can have; load the model in Keras, give it another (name = "
            "...) of the letters a to z, digits, _, - and ., and save the model"
        )
