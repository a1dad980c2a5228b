"""Exports Keras models to checked `.tflite` and `.onnx` files with labels and a card.

    from zoo.export import to_tflite
    report = to_tflite(model, "model.tflite", labels=["cat", "dog"])

Needs TensorFlow, which is imported when something is exported. The names below are loaded when they are used: `zoo
inspect` on a board has no use for most of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.lazy import attach

if TYPE_CHECKING:
    from zoo.export.checking.verify import Verification
    from zoo.export.formats import to_keras, to_savedmodel
    from zoo.export.onnx.exporter import to_onnx
    from zoo.export.options import ExportOptions
    from zoo.export.run import export_run
    from zoo.export.tfjs.exporter import LayersModel, to_tfjs
    from zoo.export.tflite.exporter import ExportReport, to_tflite

__all__ = [
    "ExportOptions",
    "ExportReport",
    "LayersModel",
    "Verification",
    "export_run",
    "to_keras",
    "to_onnx",
    "to_savedmodel",
    "to_tfjs",
    "to_tflite",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "ExportOptions": "zoo.export.options",
        "ExportReport": "zoo.export.tflite.exporter",
        "LayersModel": "zoo.export.tfjs.exporter",
        "Verification": "zoo.export.checking.verify",
        "export_run": "zoo.export.run",
        "to_keras": "zoo.export.formats",
        "to_onnx": "zoo.export.onnx.exporter",
        "to_savedmodel": "zoo.export.formats",
        "to_tfjs": "zoo.export.tfjs.exporter",
        "to_tflite": "zoo.export.tflite.exporter",
    },
)
