"""Keras model -> checked, self-describing `.tflite` file.

    from zoo.export import to_tflite
    report = to_tflite(model, "model.tflite", labels=["cat", "dog"])

Needs TensorFlow, which is imported when something is exported.
"""

from __future__ import annotations

from zoo.export.formats import to_keras, to_savedmodel
from zoo.export.tflite import ExportReport, to_tflite
from zoo.export.verify import Verification

__all__ = ["ExportReport", "Verification", "to_keras", "to_savedmodel", "to_tflite"]
