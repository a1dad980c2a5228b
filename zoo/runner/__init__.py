"""Runs `.tflite` and `.onnx` files on the device: from a picture to a prediction.

    from zoo.runner import Classifier
    classifier = Classifier("mobilenet_v2.tflite")
    for prediction in classifier.classify("photo.jpg"):
        print(prediction.label, prediction.score)

The package imports TensorFlow only if the user chooses that runtime. The names below are loaded when they are used, so
that a command's `--help` waits for neither numpy nor Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.lazy import attach

if TYPE_CHECKING:
    from zoo.inputs.find import find_pictures
    from zoo.inputs.pictures.images import load_image
    from zoo.runner.classifier import Classifier
    from zoo.runner.detector import Detector
    from zoo.runner.loading.session import Session, TensorInfo, load
    from zoo.runner.predictor import Predictor, Result
    from zoo.tasks.classification import Prediction
    from zoo.tasks.objects.answer import Detection

__all__ = [
    "Classifier",
    "Detection",
    "Detector",
    "Prediction",
    "Predictor",
    "Result",
    "Session",
    "TensorInfo",
    "find_pictures",
    "load",
    "load_image",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Classifier": "zoo.runner.classifier",
        "Detection": "zoo.tasks.objects.answer",
        "Detector": "zoo.runner.detector",
        "Prediction": "zoo.tasks.classification",
        "Predictor": "zoo.runner.predictor",
        "Result": "zoo.runner.predictor",
        "Session": "zoo.runner.loading.session",
        "TensorInfo": "zoo.runner.loading.session",
        "find_pictures": "zoo.inputs.find",
        "load": "zoo.runner.loading.session",
        "load_image": "zoo.inputs.pictures.images",
    },
)
