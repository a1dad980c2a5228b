"""The other files a model can become: Keras' own, and a SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.files import atomic
from zoo.quiet import quiet

if TYPE_CHECKING:
    import keras


def to_keras(model: keras.Model, path: str | Path) -> Path:
    """Writes a `.keras` file: architecture and weights, for training on.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    with atomic(path) as scratch:
        model.save(scratch)
    return path


def to_savedmodel(model: keras.Model, path: str | Path) -> Path:
    """Writes a TensorFlow SavedModel folder with one signature, `serve`.

    Raises:
        OutputError: the folder cannot be written, or holds something else already.
    """
    path = Path(path)
    with atomic(path) as scratch, quiet():
        model.export(scratch, verbose=False)
    return path
