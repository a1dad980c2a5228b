"""Narrows the range in which an 8-bit file stores coded boxes to what boxes of objects need.

A detector was never taught what to say of the box of an anchor that shows nothing. Some say numbers far from all
others there; a range that holds them all has steps so wide that the boxes of objects are wrong by a tenth.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import tflite
from tflite import BuiltinOperator, TensorType

from zoo.tasks.objects.boxes import LARGEST_CODE

_PASSING = {
    BuiltinOperator.CONCATENATION,
    BuiltinOperator.DEQUANTIZE,
    BuiltinOperator.QUANTIZE,
    BuiltinOperator.RESHAPE,
}
"""The operations between a convolution and the output that hand on numbers as they are."""
_LEAST = {TensorType.INT8: -128, TensorType.UINT8: 0}
"""The least stored number of each type with 8 bits."""
_SCALE, _ZERO_POINT = 8, 10
"""The offsets in the vtable of the table `QuantizationParameters` of TensorFlow's schema.fbs."""


def with_box_range(flatbuffer: bytes, boxes: int) -> bytes:
    """Returns a file whose coded boxes are stored from -`LARGEST_CODE` to `LARGEST_CODE` where their range was wider.

    A convolution converts its sums to whatever scale its output has, and what is outside saturates: nothing is added to
    the graph.

    Args:
        flatbuffer: the file.
        boxes: the number of the output.
    """
    graph = tflite.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    changed = bytearray(flatbuffer)
    for index in _tensors(tflite.Model.GetRootAs(flatbuffer, 0), graph, int(graph.Outputs(boxes))):
        tensor = graph.Tensors(index)
        least, stored = _LEAST.get(tensor.Type()), tensor.Quantization()
        if least is None or stored is None or stored.ScaleLength() != 1 or stored.ZeroPointLength() != 1:
            continue
        scale, zero_point = float(stored.Scale(0)), int(stored.ZeroPoint(0))
        low, high = scale * (least - zero_point), scale * (least + 255 - zero_point)
        if low >= -LARGEST_CODE and high <= LARGEST_CODE:
            continue
        low, high = max(low, -LARGEST_CODE), min(high, LARGEST_CODE)
        scale = (high - low) / 255
        table = stored._tab
        struct.pack_into("<f", changed, table.Vector(table.Offset(_SCALE)), scale)
        struct.pack_into("<q", changed, table.Vector(table.Offset(_ZERO_POINT)), round(least - low / scale))
    return bytes(changed)


def _tensors(model: tflite.Model, graph: tflite.SubGraph, output: int) -> list[int]:
    """Returns the tensors from the convolutions to an output; none if something else computes the boxes."""
    makers = {int(op.Outputs(i)): op for op in _ops(graph) for i in range(op.OutputsLength())}
    found, waiting = [], [output]
    while waiting:
        index = waiting.pop()
        op = makers.get(index)
        if op is None:
            return []
        found.append(index)
        kind = model.OperatorCodes(op.OpcodeIndex()).BuiltinCode()
        if kind in _PASSING:
            # The second input of a RESHAPE is a shape.
            count = op.InputsLength() if kind == BuiltinOperator.CONCATENATION else 1
            waiting += [int(op.Inputs(i)) for i in range(count)]
        elif kind != BuiltinOperator.CONV_2D:
            return []
    return found


def _ops(graph: tflite.SubGraph) -> Iterator[tflite.Operator]:
    for i in range(graph.OperatorsLength()):
        yield graph.Operators(i)
