"""Knows the formats of exports: the writers of checked files, Keras' own format, and SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import OutputError
from zoo.files.writing import atomic
from zoo.system.quiet import quiet

if TYPE_CHECKING:
    import keras

    from zoo.export.onnx.options import Format
    from zoo.export.tflite.exporter import ExportReport


def writer(form: Format, program: str | None = None) -> Callable[..., ExportReport]:
    """Returns what writes a checked file of a format: `to_tflite`, or `to_onnx`, with the same arguments.

    Args:
        form: the format.
        program: the package whose programs the file is for, see `zoo.export.onnx.jetson`; None for raw pixels.
    """
    if form == "onnx" and program:
        from zoo.export.onnx.jetson import to_jetson_inference

        return to_jetson_inference
    from zoo import export

    return export.to_onnx if form == "onnx" else export.to_tflite


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
    import tensorflow as tf

    path = Path(path)
    with atomic(path) as scratch, quiet():
        try:
            model.export(scratch, verbose=False)
        except tf.errors.OpError as error:
            # TensorFlow writes the folder itself, and has its own error for a full disk.
            reason = str(error).splitlines()[0].rpartition("; ")[2].partition(" [Op:")[0]
            raise OutputError(f"cannot write {path}: {reason}") from error
    return path
