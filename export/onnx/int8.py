"""Quantizes an ONNX graph to int8 in the QDQ form: floats between pairs of QuantizeLinear and DequantizeLinear.

The scaling of the pixels stays float32: it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ExportError, first_line
from zoo.export.checking.calibration import Array
from zoo.export.onnx.graph import preparing, with_shapes
from zoo.export.options import ExportOptions
from zoo.files.writing import temporary
from zoo.progress import SILENT, Progress
from zoo.system.quiet import quiet, quiet_onnxruntime

if TYPE_CHECKING:
    from onnxruntime.quantization import CalibrationDataReader

_QUANTIZED = (
    "Add", "AveragePool", "Clip", "Concat", "Conv", "Gemm", "GlobalAveragePool", "MatMul", "MaxPool", "Mul", "Relu",
    "Reshape", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operations that compute with integers in an int8 file; all others, such as a final softmax, compute with floats."""


def in_int8(proto: Any, inputs: Array, options: ExportOptions, progress: Progress = SILENT) -> Any:
    """Returns a model with int8 weights and activations in the QDQ form: floats between pairs of Q and DQ operations.

    Weights have a scale for each channel. Activations have a scale and a zero point, so that what a ReLU gives uses all
    256 values; for TensorRT they are symmetric, and weights are stored as floats.

    Args:
        proto: the float model.
        inputs: `(count, *input)` float32, on which the ranges of activations are measured.
        options: whose target and `per_tensor` count.
        progress: is told how many inputs were seen.

    Raises:
        ExportError: ONNX Runtime's quantizer fails.
    """
    import onnx

    quiet_onnxruntime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with temporary() as folder:
        path = folder / "int8.onnx"
        try:
            with quiet():
                quantize_static(
                    proto,
                    path,
                    _reader(inputs, proto.graph.input[0], progress),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=list(_QUANTIZED),
                    per_channel=not options.per_tensor,
                    activation_type=QuantType.QInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=preparing(proto.graph),
                    extra_options=_details(options),
                )
                made = onnx.load(path)
                del made.graph.value_info[:]
                return with_shapes(made)
        except (ExportError, OSError):  # an OSError is of the disk
            raise
        except Exception as error:  # it raises whatever its passes raise
            raise ExportError(
                f"{proto.graph.name} cannot be quantized to int8: {first_line(error)}; choose another quantization, "
                "such as float16"
            ) from error


def _details(options: ExportOptions) -> dict[str, bool]:
    """Returns how scales are chosen, and where pairs of Q and DQ stand.

    TensorRT knows no zero points, takes the bias as floats, and rounds float weights itself, which a pair behind them
    tells it to. ONNX Runtime wants bias and weights as integers.
    """
    tensorrt = options.target in {"tensorrt8", "tensorrt10"}
    return {
        "ActivationSymmetric": tensorrt,
        "AddQDQPairToWeight": tensorrt,
        "QuantizeBias": not tensorrt,
        "WeightSymmetric": True,
    }


def _reader(inputs: Array, entry: Any, progress: Progress) -> CalibrationDataReader:
    """Gives the quantizer one batch after another; the last one is filled up with inputs that were seen."""
    from onnxruntime.quantization import CalibrationDataReader

    batch = entry.type.tensor_type.shape.dim[0].dim_value

    def batches() -> Iterator[dict[str, Array]]:
        for start in range(0, len(inputs), batch):
            progress.step(f"calibrating ({min(start + batch, len(inputs))}/{len(inputs)})")
            yield {entry.name: np.resize(inputs[start : start + batch], (batch, *inputs.shape[1:]))}

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
        """Reads the inputs."""

        def __init__(self) -> None:
            self._batches = batches()

        def get_next(self) -> dict[str, Array] | None:
            """Returns the next batch; None at the end."""
            return next(self._batches, None)

    return Reader()
