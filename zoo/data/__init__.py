"""Labelled pictures or windows of sensor values -> `tf.data`, split, cached and checked.

    from zoo.data import load_folder
    data = load_folder("pictures", size=96)
    model.fit(data.train, validation_data=data.validation, class_weight=data.class_weights)

TensorFlow is imported when datasets are made; `check` does not need it.
"""

from zoo.data.augment import augmentation
from zoo.data.loading import Data, check, load, load_folder, load_windows
from zoo.data.report import DataReport, Report
from zoo.inputs.labelled import find_labelled

__all__ = [
    "Data",
    "DataReport",
    "Report",
    "augmentation",
    "check",
    "find_labelled",
    "load",
    "load_folder",
    "load_windows",
]
