"""The architectures. Importing this package registers them; Keras is imported when one is built."""

from zoo.models import mobilenet_v2, resnet, alexnet, vgg16, lenet, mlp, conv1d, ssdlite_mobilenet_v2, ssd_mobilenet_v2  # noqa: F401, I001  # listed in this order
from zoo.registry import build, list_models, models_by_weights, register, spec

__all__ = ["build", "list_models", "models_by_weights", "register", "spec"]
