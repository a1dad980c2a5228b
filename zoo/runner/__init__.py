"""The device side: from a `.tflite` file and a picture to a name.

    from zoo.runner import Classifier
    classifier = Classifier("mobilenet_v2.tflite")
    for prediction in classifier.classify("photo.jpg"):
        print(prediction.label, prediction.score)

Never imports TensorFlow unless asked to.
"""

from zoo.runner.backends import Session, TensorInfo, load
from zoo.runner.classifier import Classifier, Prediction, Result
from zoo.runner.images import load_image
from zoo.runner.pictures import find_pictures

__all__ = ["Classifier", "Prediction", "Result", "Session", "TensorInfo", "find_pictures", "load", "load_image"]
