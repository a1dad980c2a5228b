"""Converts a lowered Keras model to a TFLite flatbuffer with TensorFlow's converter.

There are three ways, which give the same operations. Freezing the graph in memory is several times faster for
small models but holds many copies of the weights. Of a large model whose weights lie mostly in dense layers, the
rest is converted in this way, and those weights are written into the file (`zoo.export.tflite.dense`). Other large
models go through a SavedModel, converted in a separate process, which also keeps the converter's memory out of this
one. `benchmarks/export_memory.py` prints the memory of each.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ExportError, ZooError, first_line
from zoo.export.checking import fragile
from zoo.export.tflite import dense, quantizer
from zoo.export.tflite.isolation import unusual
from zoo.export.tflite.naming import LayerNames
from zoo.export.tflite.order import in_model_order
from zoo.export.tflite.settings import Settings
from zoo.files.writing import temporary
from zoo.progress import SILENT, Progress
from zoo.system import processes
from zoo.system.heap import keep_no_pool, return_freed
from zoo.system.quiet import quiet, quiet_tensorflow
from zoo.tflite import modelfile

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

LARGE_BYTES = 150_000_000
"""Size of weights, in bytes, above which a model goes through a SavedModel in a new process."""

SECONDS = 12 * 3600
"""Time limit of the new process, in seconds; the calibration of a large model takes hours on a slow machine."""


_CRASHED = "the converter ended with"
_UNKNOWN = "is neither a custom op nor a flex op"
_GAP = re.compile(r"Quantization to 16x8-bit not yet supported for op: '(?P<op>\w+)'")
"""What the converter says of an operation that it has no int16 form of."""


def convert(model: keras.Model, settings: Settings, samples: Array | None = None, progress: Progress = SILENT) -> bytes:
    """Converts a lowered model.

    Args:
        model: static shapes, one input, one or more outputs.
        settings: the quantization.
        samples: `(count, *input_shape)` float32, for the modes that are calibrated.
        progress: is told how many samples have been calibrated on, if that happens in this process.

    Returns:
        The flatbuffer; its outputs are in the order of `model.outputs`.

    Raises:
        ExportError: TensorFlow cannot convert the model; the message ends with its reason.
    """
    try:
        if unusual(model):
            return convert_on_disk(model, settings, samples)
        if not is_large(model):
            return convert_in_memory(model, settings, samples, progress)
        return convert_apart(model, settings, samples, progress) or convert_on_disk(model, settings, samples)
    finally:
        # TensorFlow's graphs hold the weights and have reference cycles, so that Python would free them late.
        return_freed()


def is_large(model: keras.Model, apart: int = 0) -> bool:
    """Returns whether the weights, but `apart` bytes of them, are too large to be held many times over here."""
    return bool(sum(4 * math.prod(weight.shape) for weight in model.weights) - apart > LARGE_BYTES)


def convert_apart(
    model: keras.Model, settings: Settings, samples: Array | None = None, progress: Progress = SILENT
) -> bytes | None:
    """Converts all but the kernels of large dense layers here; returns None if that leaves too much, or cannot be."""
    layers = dense.large(model, settings)
    if not layers or is_large(model, sum(map(dense.bytes_of, layers))):
        return None
    with _refusing(model, settings), quiet():
        return dense.convert(model, layers, settings, samples, progress)


def convert_in_memory(
    model: keras.Model, settings: Settings, samples: Array | None = None, progress: Progress = SILENT
) -> bytes:
    """Freezes the graph here and converts it."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with _refusing(model, settings), quiet():
        function = tf.function(lambda x: model(x, training=False)).get_concrete_function(_signature(model))
        frozen = convert_variables_to_constants_v2(function)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        batch = model.inputs[0].shape[0]
        if not settings.by_steps or samples is None:
            return _run(converter, settings, samples, batch, progress)
        flatbuffer = _run(converter, Settings(), None, batch)
        nodes = _float_nodes(model, flatbuffer, settings)
        return quantizer.quantize(flatbuffer, settings, samples, batch, float_nodes=nodes, progress=progress)


@contextlib.contextmanager
def _refusing(model: keras.Model, settings: Settings) -> Iterator[None]:
    """Makes an error with a reason and a remedy of whatever the converter's passes raise in the block."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        raise ExportError(_refusal(model, settings, first_line(error), str(error))) from error


def convert_on_disk(model: keras.Model, settings: Settings, samples: Array | None = None) -> bytes:
    """Saves the model and converts it in new processes, which hold nothing else.

    int8 of a large model takes two: one writes the float file, one quantizes it. In one process the peak is a third
    higher. So does int8 with ranges of our own, or with layers that stay float.
    """
    with temporary() as job:
        try:
            with quiet():
                _save(model, job / "saved_model")
            _write_job(job, settings, samples, model.inputs[0].shape[0])
        except Exception as error:  # TensorFlow has its own errors for a full disk
            place = job.parent.parent
            raise ExportError(f"cannot save {model.name} in {place} (TMPDIR): {first_line(error)}") from error
        by_steps = settings.by_steps or (settings.quantize == "int8" and is_large(model) and not settings.learnt)
        for step in ("float", "quantize") if by_steps else ("convert",):
            if step == "quantize" and settings.keep_float:
                nodes = _float_nodes(model, (job / "model.tflite").read_bytes(), settings)
                (job / "float_nodes.json").write_text(json.dumps(nodes), encoding="utf-8")
            command = processes.command(__name__, folder=str(job), step=step)
            try:
                result = processes.run(command, seconds=SECONDS, errors=subprocess.STDOUT)
            except subprocess.TimeoutExpired:
                raise ExportError(f"the converter did not finish {model.name} within {SECONDS // 3600} hours") from None
            if result.returncode != 0:
                raise ExportError(_refusal(model, settings, _failure(job, result), result.stdout))
        return (job / "model.tflite").read_bytes()


def _float_nodes(model: keras.Model, flatbuffer: bytes, settings: Settings) -> list[str]:
    """Returns the tensors of a float file whose operations stay float."""
    if not settings.keep_float:
        return []
    return LayerNames(model).nodes_of(modelfile.parse(flatbuffer, Path("the float file")).main, settings.keep_float)


def _save(model: keras.Model, folder: Path) -> None:
    """Saves what the model computes when it is used: `model.export` would keep augmentation, which is on by default."""
    import keras

    archive = keras.export.ExportArchive()
    archive.track(model)
    # The signature is given, because an export without it would have an open batch.
    archive.add_endpoint("serve", lambda x: model(x, training=False), input_signature=[_signature(model)])
    archive.write_out(folder, verbose=False)


def _refusal(model: keras.Model, settings: Settings, reason: str, whole: str) -> str:
    """Returns why a model cannot be converted, with the Keras layer that it is about, and what to do.

    Args:
        model: the lowered model.
        settings: what it was to become.
        reason: the converter's, in one line.
        whole: all that it said, which may name tensors.
    """
    names = LayerNames(model)
    layer = names.of_message(whole)
    gap = _GAP.search(reason)
    if gap:
        layer = _layer_with(gap["op"], model, names)
        reason = f"{settings.quantize} has no {gap['op']}"
    elif _CRASHED in reason and not layer:
        layer = ", ".join(unusual(model)[:3])
    at = f" (at {layer})" if layer else ""
    way = ""
    if _UNKNOWN in reason:
        way = "; leave such layers out: TFLite has no such operation in any quantization"
    elif settings.quantize != "none":
        weak = "" if fragile.weak_points(model) else "int8, "
        others = {"int8": "float16 or dynamic", "int16x8": f"{weak}float16 or dynamic"}.get(settings.quantize, "none")
        way = f"; leave such layers out, or choose another quantization, such as {others}"
    return f"TensorFlow cannot convert {model.name}: {reason}{at}{way}"


def _layer_with(op: str, model: keras.Model, names: LayerNames) -> str:
    """Returns the layer that becomes an operation, found in a float file; empty where that tells nothing."""
    with temporary() as folder, contextlib.suppress(ZooError):
        path = folder / "float.tflite"
        path.write_bytes(convert(model, Settings()))
        graph = modelfile.read(path).main
        return next((names.of_op(one, graph) for one in graph.ops if one.name == op), "")
    return ""


def _signature(model: keras.Model) -> Any:
    import tensorflow as tf

    return tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, name="input")


def _run(converter: Any, settings: Settings, samples: Array | None, batch: int, progress: Progress = SILENT) -> bytes:
    import tensorflow as tf

    if settings.quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # There is no public option for this. With it dense layers get one scale: FULLY_CONNECTED stays at a version that
    # tflite-runtime 2.14 loads, and means the same to runtimes up to 2.9.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not settings.dense_per_channel
    converter._experimental_disable_per_channel = settings.per_tensor
    if settings.quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if settings.quantize in {"int8", "int16x8"} and not settings.learnt:
        if samples is None:
            raise ExportError(f"{settings.quantize} needs calibration samples")
        converter.representative_dataset = functools.partial(quantizer.batches, samples, batch, progress)
    if settings.quantize == "int8":
        if not settings.learnt:  # TensorFlow demands samples for it; the finished file is checked in any case
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.dtypes.as_dtype(settings.input_type)
        converter.inference_output_type = tf.dtypes.as_dtype(settings.io)
    if settings.quantize == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    return bytes(converter.convert())


# The job folder of the new process has saved_model/, job.json and samples.npy, and float_nodes.json where some
# operations stay float; the result is model.tflite or error.txt.


def _write_job(job: Path, settings: Settings, samples: Array | None, batch: int) -> None:
    document = {"settings": dataclasses.asdict(settings), "batch": batch}
    (job / "job.json").write_text(json.dumps(document), encoding="utf-8")
    if samples is not None:
        np.save(job / "samples.npy", samples)


def _failure(job: Path, result: subprocess.CompletedProcess[str]) -> str:
    if (job / "error.txt").exists():
        return (job / "error.txt").read_text(encoding="utf-8")
    if result.returncode == -signal.SIGKILL or "std::bad_alloc" in result.stdout:
        return "the converter was killed; most likely the memory ran out"
    last = result.stdout.strip().splitlines()[-1:] or ["no output"]
    if result.returncode < 0:
        number = -result.returncode
        known = number in set(signal.Signals)
        name = signal.Signals(number).name if known else f"signal {number}"
        return f"{_CRASHED} status {result.returncode} ({name}): {last[0][:300]}"
    return f"{_CRASHED} status {result.returncode}: {last[0][:300]}"


def main(folder: str, step: str) -> None:
    """Runs in the separate process; the exit code is 1 if it leaves an error."""
    quiet_tensorflow()
    keep_no_pool()
    import tensorflow as tf

    job = Path(folder)
    document = json.loads((job / "job.json").read_text(encoding="utf-8"))
    samples = np.load(job / "samples.npy", mmap_mode="r") if (job / "samples.npy").exists() else None
    settings, batch = Settings(**document["settings"]), document["batch"]
    try:
        if step == "quantize" and samples is not None:
            stated = job / "float_nodes.json"
            nodes = json.loads(stated.read_text(encoding="utf-8")) if stated.exists() else ()
            flatbuffer = (job / "model.tflite").read_bytes()
            flatbuffer = quantizer.quantize(flatbuffer, settings, samples, batch, float_nodes=nodes)
        else:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(job / "saved_model"))
            flatbuffer = in_model_order(_run(converter, Settings() if step == "float" else settings, samples, batch))
    except Exception as error:  # noqa: BLE001  # reported to the parent, whatever it is
        (job / "error.txt").write_text(first_line(error), encoding="utf-8")
        sys.exit(1)
    (job / "model.tflite").write_bytes(flatbuffer)
