"""Keras model -> checked, self-describing `.tflite` file.

    from zoo.export import to_tflite
    report = to_tflite(model, "model.tflite", labels=["cat", "dog"])

Needs TensorFlow, which is imported when something is exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.export.formats import to_keras, to_savedmodel
from zoo.export.tflite import ExportReport, to_tflite
from zoo.export.verify import Verification

if TYPE_CHECKING:
    from zoo.export.trained import export_run

__all__ = ["ExportReport", "Verification", "export_run", "to_keras", "to_savedmodel", "to_tflite"]


def __getattr__(name: str) -> object:
    # Not at the top: `zoo inspect` on a board imports this package and has no use for training.
    if name == "export_run":
        from zoo.export.trained import export_run

        return export_run
    raise AttributeError(f"module 'zoo.export' has no attribute {name!r}")
