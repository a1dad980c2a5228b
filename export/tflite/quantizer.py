"""Quantizes a finished float file to int8 in two steps, so that ranges and the choice of operations are ours.

TensorFlow's calibrator writes into the file, for each tensor, the least and the largest value that it saw. What its
quantizer makes of the file depends on those numbers, and on a list of operations that it is to leave alone. Between the
two steps other ranges are put in, and the operations of some Keras layers on that list.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tflite

from zoo.compress.ranges import Method, Range, Watch
from zoo.errors import ExportError
from zoo.progress import SILENT, Progress
from zoo.runner.loading import runtimes

if TYPE_CHECKING:
    from zoo.export.tflite.settings import Settings

Array = npt.NDArray[Any]

_LEAST_PEAK = 1e-30
"""What stands for the largest value of weights that are all zero."""
_MIN, _MAX = 4, 6
"""The offsets in the vtable of the table `QuantizationParameters` of TensorFlow's schema.fbs."""


def quantize(
    flatbuffer: bytes,
    settings: Settings,
    samples: Array,
    batch: int,
    *,
    float_nodes: Sequence[str] = (),
    kernels: Sequence[Array] = (),
    progress: Progress = SILENT,
) -> bytes:
    """Does the second half of the converter's own int8 conversion, on a finished float file.

    Args:
        flatbuffer: the float file.
        settings: the types of input and output, how ranges are chosen, and how weights are scaled.
        samples: `(count, *input_shape)` float32.
        batch: the batch size of the file.
        float_nodes: the tensors whose operations stay float.
        kernels: the values of the inputs behind the first, which are weights.
        progress: is told how many samples have been calibrated on.

    Raises:
        ExportError: a tensor has no place for its range.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    calibrated = Calibrator(flatbuffer).calibrate(
        lambda: ([*one, *kernels] for one in batches(samples, batch, progress))
    )
    if kernels:
        calibrated = with_ranges(calibrated, weight_ranges(calibrated, kernels))
    if settings.calibration_method != "minmax":
        calibrated = with_ranges(calibrated, chosen(flatbuffer, samples, batch, settings.calibration_method, progress))
    del flatbuffer
    return bytes(
        mlir_quantize(
            bytes(calibrated),
            disable_per_channel=settings.per_tensor,
            input_data_type=tf.dtypes.as_dtype(settings.input_type),
            output_data_type=tf.dtypes.as_dtype(settings.io),
            denylisted_nodes=list(float_nodes) or None,
            disable_per_channel_for_dense_layers=not settings.dense_per_channel,
        )
    )


def batches(samples: Array, batch: int, progress: Progress = SILENT) -> Iterator[list[Array]]:
    """Yields samples in batches of a fixed size; the last one is filled up from its start, so that none is left out."""
    for start in range(0, len(samples), batch):
        progress.step("calibrating", start, len(samples))
        yield [np.resize(samples[start : start + batch], (batch, *samples.shape[1:]))]


def chosen(
    flatbuffer: bytes, samples: Array, batch: int, method: Method, progress: Progress = SILENT
) -> dict[int, Range]:
    """Returns the range that a method chooses for each tensor that a float file computes, by the tensor's number."""
    name, make = runtimes.find()
    interpreter = make(
        model_content=flatbuffer,
        experimental_preserve_all_tensors=True,
        # A delegate computes many operations at once and keeps what is between them to itself.
        experimental_op_resolver_type=runtimes.module(name).OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=runtimes.default_threads(),
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    graph = tflite.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    watches = {index: Watch() for index in _computed(graph)}
    for (values,) in batches(samples, batch, progress):
        interpreter.set_tensor(entry, values)
        interpreter.invoke()
        for index, watch in watches.items():
            watch.add(interpreter.get_tensor(index).reshape(1, -1))
    return {index: watch.seen().range(method) for index, watch in watches.items()}


def weight_ranges(flatbuffer: bytes, kernels: Sequence[Array]) -> dict[int, Range]:
    """Returns the ranges with which inputs that are weights get the scale of constants, by the tensors' numbers.

    The scale of a constant is a 127th of its largest value. That of an input is a 255th of its range.
    """
    graph = tflite.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    found = {}
    for place, kernel in enumerate(kernels, 1):
        step = max(float(kernel.max()), -float(kernel.min()), _LEAST_PEAK) / 127
        found[int(graph.Inputs(place))] = Range(-128 * step, 127 * step)
    return found


def with_ranges(calibrated: bytes | bytearray, ranges: dict[int, Range]) -> bytes:
    """Returns a calibrated file with other ranges.

    Raises:
        ExportError: a tensor has no place for its range, because the calibrator saw nothing of it.
    """
    changed = bytearray(calibrated)
    graph = tflite.Model.GetRootAs(calibrated, 0).Subgraphs(0)
    for index, ends in ranges.items():
        stored = graph.Tensors(index).Quantization()
        if stored is None or stored.MinLength() != 1 or stored.MaxLength() != 1:
            name = graph.Tensors(index).Name().decode(errors="replace")
            raise ExportError(f"the calibration saw nothing of {name!r}; export with --calibration-method minmax")
        table = stored._tab
        for slot, value in ((_MIN, ends.low), (_MAX, ends.high)):
            struct.pack_into("<f", changed, table.Vector(table.Offset(slot)), value)
    return bytes(changed)


def _computed(graph: tflite.SubGraph) -> Iterable[int]:
    """Yields the numbers of the float tensors that operations compute."""
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        for j in range(op.OutputsLength()):
            if graph.Tensors(op.Outputs(j)).Type() == tflite.TensorType.FLOAT32:
                yield int(op.Outputs(j))
