"""Lowered Keras model -> TFLite flatbuffer, by TensorFlow's converter.

Two ways lead there and give the same operations. Freezing the graph in memory is several times faster for
small models (MobileNetV2 0.35: 1.5 s against 7 s) but holds the weights many times over (VGG-16: 12.9 GB
against 6.3 GB), so large models go through a SavedModel, converted in a process of its own.
`benchmarks/conversion.py` prints both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError
from zoo.quiet import quiet, quiet_tensorflow

if TYPE_CHECKING:
    import keras

LARGE_BYTES = 100_000_000
"""Weights above this go through a SavedModel in a fresh process."""


def convert(model: keras.Model, settings: dict[str, Any] | None = None) -> bytes:
    """Converts a lowered model.

    Args:
        model: static shapes, one input, one output.
        settings: see `_configure`; float32 without.

    Returns:
        The flatbuffer.

    Raises:
        ExportError: TensorFlow cannot convert the model; the message ends with its reason.
    """
    size = sum(weight.numpy().nbytes for weight in model.weights)
    return (convert_on_disk if size > LARGE_BYTES else convert_in_memory)(model, settings or {})


def convert_in_memory(model: keras.Model, settings: dict[str, Any]) -> bytes:
    """Freezes the graph here and converts it."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, name="input")
    try:
        with quiet():
            function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
            frozen = convert_variables_to_constants_v2(function)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
            return _run(converter, settings)
    except Exception as error:  # the converter raises whatever its passes raise
        raise ExportError(f"TensorFlow cannot convert {model.name}: {_reason(error)}") from error


def convert_on_disk(model: keras.Model, settings: dict[str, Any]) -> bytes:
    """Saves the model and converts it in a fresh process, which holds nothing else."""
    with tempfile.TemporaryDirectory(prefix="zoo-export-") as folder:
        job = Path(folder)
        with quiet():
            model.export(job / "saved_model", verbose=False)
        (job / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "zoo.export.convert", str(job)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            error_file = job / "error.txt"
            reason = (
                error_file.read_text(encoding="utf-8")
                if error_file.exists()
                else f"the converter ended with status {result.returncode}: {result.stdout[-500:]}"
            )
            raise ExportError(f"TensorFlow cannot convert {model.name}: {reason}")
        return (job / "model.tflite").read_bytes()


def _configure(converter: Any, settings: dict[str, Any]) -> None:
    """Applies settings; none so far: the converter's default is float32."""
    del converter, settings


def _run(converter: Any, settings: dict[str, Any]) -> bytes:
    _configure(converter, settings)
    return bytes(converter.convert())


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _main(folder: str) -> int:
    """The fresh process: converts `saved_model` in a job folder, or leaves `error.txt`."""
    quiet_tensorflow()
    import tensorflow as tf

    job = Path(folder)
    settings = json.loads((job / "settings.json").read_text(encoding="utf-8"))
    try:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(job / "saved_model"))
        flatbuffer = _run(converter, settings)
    except Exception as error:  # noqa: BLE001  # reported to the parent, whatever it is
        (job / "error.txt").write_text(_reason(error), encoding="utf-8")
        return 1
    (job / "model.tflite").write_bytes(flatbuffer)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
