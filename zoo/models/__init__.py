"""The architectures. Importing this package registers them; Keras is imported when one is built."""

# ruff: noqa: F401, I001  # models are listed in this order
from zoo.models import mobilenet_v2
from zoo.models import mobilenet_v1
from zoo.models import mobilenet_v3
from zoo.models import efficientnet_lite
from zoo.models import mobilenet_v4
from zoo.models import resnet
from zoo.models import alexnet
from zoo.models import vgg16
from zoo.models import lenet
from zoo.models import mlp
from zoo.models import conv1d
from zoo.models.detectors import ssdlite
from zoo.models.detectors import ssd_mobilenet_v2
from zoo.models import applications
from zoo.registry import (
    add_source,
    build,
    is_name,
    list_models,
    models_by_weights,
    rated_models,
    rated_options,
    register,
    spec,
)

__all__ = ["build", "is_name", "list_models", "models_by_weights", "rated_models", "rated_options", "register", "spec"]

add_source(applications.PREFIX, applications.lookup)
