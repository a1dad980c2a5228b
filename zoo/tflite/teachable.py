"""Recognizes what Teachable Machine exports, which says neither how pixels are scaled nor what the classes are called.

Its page trains with TensorFlow.js, so that the layers have the names that TensorFlow.js gives them. Its float files
want pixels as -1..1, and the names of the classes are in `labels.txt` beside the model, a number and a name a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from zoo.tflite.modelfile import ModelFile

MAKER = "Teachable Machine"
RANGE = (-1.0, 1.0)
"""The values that its models take for pixels 0 and 255."""
LABELS = "labels.txt"
FLOAT_FILE = "model_unquant.tflite"
"""The name that its float `.tflite` file has in the archive that it hands out."""

_MARKS = tuple(
    rf"(?:^|/){name}\d+(?:_\d+)*(?:[/;:]|$)"
    for name in ("dense_Dense", "global_average_pooling2d_GlobalAveragePooling2D")
)


def has_its_names(names: Iterable[str]) -> bool:
    """Whether layers, or tensors named after layers, have the names of its models' pooling and dense layers."""
    known = list(names)
    return all(any(re.search(mark, name) for name in known) for mark in _MARKS)


def is_its_file(file: ModelFile) -> bool:
    """Whether it made a `.tflite` file: by the names of the tensors, or by the file's own name."""
    return file.path.name == FLOAT_FILE or has_its_names(tensor.name for tensor in file.main.tensors)


def labels_beside(path: Path) -> Path | None:
    """Returns the file of labels that lies beside a model, as in its archives; None if there is none."""
    found = path.resolve().parent / LABELS
    return found if found.is_file() else None


def said_of_range(what: object) -> str:
    """Returns the note on the range of pixels of one of its models."""
    return f"{what} was made by {MAKER}: pixels are scaled to -1..1 for it (--input-range says otherwise)"


def said_of_labels(what: object, labels: Path) -> str:
    """Returns the note on where the names of the classes come from."""
    return f"{what} was made by {MAKER}: its classes are named by {labels} (--labels says otherwise)"
