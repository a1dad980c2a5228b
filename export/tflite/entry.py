"""The input of an integer file: the scale and zero point with which a stored byte is the pixel itself.

The runner stores raw pixels as they are, so the file's input has to mean them as they are. The converter measures the
input's range and may widen it to that of an operation behind it, which shares its scale.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import tflite

from zoo.errors import ExportError
from zoo.export.options import Io
from zoo.graph import NEAR, Scaling, whole_zero
from zoo.tflite.modelfile import ModelFile

_UINT8, _INT8 = 3, 9
"""TensorType in TensorFlow's schema.fbs."""
_TYPE = 6
"""Where the vtable of the table `Tensor` tells of its type."""
_MIN, _MAX, _SCALE, _ZERO_POINT = 4, 6, 8, 10
"""Where the vtable of the table `QuantizationParameters` tells of its vectors."""


@dataclass(frozen=True)
class Entry:
    """The quantization with which an input stores a raw pixel 0..255 as that byte, less 128 in int8."""

    scale: float
    zero: float
    """Where the real number 0 lies between the values of the type; -1..1 has it at 127.5 in uint8."""
    io: Io
    """`uint8` or `int8`."""

    @classmethod
    def of_pixels(cls, scaling: Scaling | None, io: Io) -> Entry:
        """Returns the quantization for the scaling that was taken out of the graph; None: the pixels are not scaled.

        Raises:
            ExportError: an input cannot carry this scaling, see `Scaling.is_carried`.
        """
        scaling = scaling or Scaling(1.0, 0.0)
        if not scaling.is_carried:
            raise ExportError(f"the input of an integer file cannot scale pixels to {scaling.range}")
        return cls(scaling.scale, scaling.zero - (128 if io == "int8" else 0), io)

    @property
    def zero_point(self) -> int:
        """The value of the type that stands for 0; of two that are as near, the lower one."""
        return whole_zero(self.zero)

    def describes(self, scale: float, zero_point: int) -> bool:
        """Returns whether a scale, in float32, and a zero point are these, as near as whole zero points come."""
        return math.isclose(scale, self.scale, rel_tol=1e-5) and abs(zero_point - self.zero) <= 0.5 + NEAR


def is_meant(flatbuffer: bytes, entry: Entry) -> bool:
    """Returns whether the converter gave the input the quantization that it is meant to have."""
    found = _quantization(_input(flatbuffer))
    return found is not None and entry.describes(*found)


def with_entry(flatbuffer: bytes, entry: Entry) -> bytes:
    """Gives the input of a file its meant type, scale and zero point; the file's QUANTIZE converts from those.

    Args:
        flatbuffer: with a uint8 input, which the converter puts a QUANTIZE behind.
        entry: what is meant.

    Raises:
        ExportError: the input goes elsewhere than into a QUANTIZE.
    """
    graph = tflite.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    tensor = _input(flatbuffer)
    if tensor.Type() != _UINT8 or _quantization(tensor) is None or _readers(flatbuffer) != {"QUANTIZE"}:
        raise ExportError(f"the converter made an input {graph.Inputs(0)} whose scale cannot be set; it is not uint8")
    changed = bytearray(flatbuffer)
    table, parameters = tensor._tab, tensor.Quantization()._tab
    type_ = _INT8 if entry.io == "int8" else _UINT8
    struct.pack_into("<b", changed, table.Pos + table.Offset(_TYPE), type_)
    lowest = -128 if entry.io == "int8" else 0
    ends = [entry.scale * (byte - entry.zero_point) for byte in (lowest, lowest + 255)]
    for slot, kind, value in (
        (_SCALE, "<f", entry.scale),
        (_ZERO_POINT, "<q", entry.zero_point),
        (_MIN, "<f", ends[0]),
        (_MAX, "<f", ends[1]),
    ):
        offset = parameters.Offset(slot)
        if offset and parameters.VectorLen(offset):
            struct.pack_into(kind, changed, parameters.Vector(offset), value)
    return bytes(changed)


def require_entry(file: ModelFile, entry: Entry) -> None:
    """Refuses a file whose input means other pixels than those that the runner stores.

    Raises:
        ExportError: it does; nobody could use the file.
    """
    tensor = file.main.tensors[file.main.inputs[0]]
    found = (tensor.dtype.lower(), [*map(float, tensor.scales)], [*map(int, tensor.zero_points)])
    if (
        found[0] != entry.io
        or len(found[1]) != 1
        or len(found[2]) != 1
        or not entry.describes(found[1][0], found[2][0])
    ):
        raise ExportError(
            f"the converted file takes {found[0]} with scale {found[1]} and zero point {found[2]}, and raw pixels need "
            f"{entry.io} with {entry.scale:.6g} and {entry.zero_point}; export with --io float32 (io='float32')"
        )


def _input(flatbuffer: bytes) -> tflite.Tensor:
    graph = tflite.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    return graph.Tensors(graph.Inputs(0))


def _quantization(tensor: tflite.Tensor) -> tuple[float, int] | None:
    parameters = tensor.Quantization()
    if parameters is None or parameters.ScaleLength() != 1 or parameters.ZeroPointLength() != 1:
        return None
    return float(parameters.Scale(0)), int(parameters.ZeroPoint(0))


def _readers(flatbuffer: bytes) -> set[str]:
    """The names of the operations that read the input; that of an operation which is no QUANTIZE is a number."""
    model = tflite.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    found = set()
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        if graph.Inputs(0) in {op.Inputs(j) for j in range(op.InputsLength())}:
            code = model.OperatorCodes(op.OpcodeIndex()).BuiltinCode()
            found.add("QUANTIZE" if code == tflite.BuiltinOperator.QUANTIZE else str(code))
    return found
