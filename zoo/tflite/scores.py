"""Finds out from a graph whether an output holds probabilities; operations are named as in TFLite or in ONNX."""

from __future__ import annotations

from zoo.tflite.modelfile import Graph, Op, Tensor

DEPTH = 32
"""The most operations that are followed from an output upwards."""

_PROBABILITIES = frozenset({"SOFTMAX", "LOGISTIC", "Softmax", "Sigmoid"})
_KEEPING = frozenset({
    "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "DEQUANTIZE", "EXPAND_DIMS", "GATHER", "MAXIMUM", "MAX_POOL_2D",
    "MEAN", "MINIMUM", "MUL", "PACK", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "REVERSE_V2", "SLICE", "SPLIT",
    "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
    "AveragePool", "Cast", "Concat", "DequantizeLinear", "Flatten", "Gather", "GlobalAveragePool", "GlobalMaxPool",
    "Identity", "Max", "MaxPool", "Min", "Mul", "QuantizeLinear", "ReduceMax", "ReduceMean", "ReduceMin", "Reshape",
    "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Operations that make probabilities of probabilities. A product with a constant is none."""
_OF_CONSTANTS_TOO = _KEEPING - {"CONCATENATION", "MAXIMUM", "MINIMUM", "MUL", "PACK", "Concat", "Max", "Min", "Mul"}
"""Those whose constant inputs say how, such as a shape, and are no data."""


def are_probabilities(graph: Graph, output: int) -> bool:
    """Returns whether a tensor holds probabilities, 0..1, by the operations that make it.

    They come from a softmax or a sigmoid, or from a division by the sum of the same values; operations that only move,
    choose or average may follow. An output of an unknown operation, such as that of a file compiled for an Edge TPU,
    holds them if it is quantized as TFLite quantizes a softmax: in steps of 1/256 from 0.

    Args:
        graph: the graph.
        output: the index of the tensor.
    """
    makers = {made: op for op in graph.ops for made in op.outputs}
    return _Walk(graph, makers).holds(output, DEPTH)


class _Walk:
    """Follows a graph upwards; each tensor is looked at once, however many operations read it."""

    def __init__(self, graph: Graph, makers: dict[int, Op]) -> None:
        self._graph = graph
        self._makers = makers
        self._known: dict[int, bool] = {}

    def holds(self, index: int, depth: int) -> bool:
        """Whether a tensor holds probabilities, by at most so many operations."""
        if index not in self._known:
            self._known[index] = False  # a circle is none
            self._known[index] = depth > 0 and self._made_of_some(index, depth)
        return self._known[index]

    def _made_of_some(self, index: int, depth: int) -> bool:
        op, tensors = self._makers.get(index), self._graph.tensors
        if op is None:
            return False
        if op.custom:
            return _quantized_as_softmax(tensors[index])
        if op.name in _PROBABILITIES or _is_share(self._makers, op):
            return True
        inputs = [i for i in op.inputs if i >= 0]
        if op.name in {"SUB", "Sub"} and len(inputs) == 2:  # the other of two classes: 1 - p
            first = tensors[inputs[0]]
            return first.is_constant and first.shape in {(), (1,)} and self.holds(inputs[1], depth - 1)
        if op.name in _OF_CONSTANTS_TOO:
            inputs = [i for i in inputs if not tensors[i].is_constant]
        return op.name in _KEEPING and bool(inputs) and all(self.holds(i, depth - 1) for i in inputs)


def _is_share(makers: dict[int, Op], op: Op) -> bool:
    """Whether an operation divides by the sum of what it divides: a softmax that is written out."""
    if op.name not in {"DIV", "Div"} or len(op.inputs) != 2:
        return False
    total = makers.get(op.inputs[1])
    return (
        total is not None
        and total.name in {"SUM", "ReduceSum"}
        and bool(total.inputs)
        and total.inputs[0] == op.inputs[0]
    )


def _quantized_as_softmax(tensor: Tensor) -> bool:
    lowest = {"UINT8": 0, "INT8": -128}.get(tensor.dtype)
    if lowest is None or len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
        return False
    return abs(float(tensor.scales[0]) * 256 - 1) < 1e-6 and int(tensor.zero_points[0]) == lowest
