"""A Keras model zoo for edge devices.

    import zoo
    model = zoo.build("mobilenet_v2", alpha=0.5, num_classes=3)

Importing it costs nothing and never imports TensorFlow; the names below are loaded when they are used.
The device code is in `zoo.runner`, and the TFLite exporter in `zoo.export`.
"""

# The `zoo` command starts with this file, and the current folder is not yet dropped from the import path here: see
# `zoo.system.surroundings`. So neither `typing` nor `__future__` is imported.
from zoo.lazy import attach

# This is the only place of the version; pyproject.toml reads it here.
__version__ = "0.2.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo.assets import imagenet_labels
    from zoo.data import load_folder
    from zoo.errors import ZooError
    from zoo.models import list_models, register, spec
    from zoo.plugins import load_models
    from zoo.specs import ModelSpec, Option
    from zoo.summary.table import summarize
    from zoo.training import train
    from zoo.weights import build, load_weights

__all__ = [
    "ModelSpec",
    "Option",
    "ZooError",
    "build",
    "imagenet_labels",
    "list_models",
    "load_folder",
    "load_models",
    "load_weights",
    "register",
    "spec",
    "summarize",
    "train",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "ModelSpec": "zoo.specs",
        "Option": "zoo.specs",
        "ZooError": "zoo.errors",
        "build": "zoo.weights",
        "imagenet_labels": "zoo.assets",
        "list_models": "zoo.models",
        "load_folder": "zoo.data",
        "load_models": "zoo.plugins",
        "load_weights": "zoo.weights",
        "register": "zoo.models",
        "spec": "zoo.models",
        "summarize": "zoo.summary.table",
        "train": "zoo.training",
    },
)
