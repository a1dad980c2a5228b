"""Looks at what a SavedModel computes before any of it runs: no operation of it may run code or read files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import UnsafeFileError, WeightsError

_BINARY = ("Add", "AddV2", "Sub", "Mul", "Div", "RealDiv", "FloorDiv", "FloorMod", "Mod", "Maximum", "Minimum", "Pow")
_COMPARE = (
    "Equal",
    "NotEqual",
    "Greater",
    "GreaterEqual",
    "Less",
    "LessEqual",
    "LogicalAnd",
    "LogicalNot",
    "LogicalOr",
)
_UNARY = ("Abs", "Ceil", "Cos", "Erf", "Exp", "Expm1", "Floor", "Inv", "Log", "Log1p", "Neg", "Reciprocal", "Rint")
ALLOWED = frozenset(
    {
        *(
            "Const",
            "Identity",
            "IdentityN",
            "NoOp",
            "Placeholder",
            "PlaceholderWithDefault",
            "StopGradient",
            "Snapshot",
        ),
        *("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile", "Case"),
        *("VarHandleOp", "ReadVariableOp", "ResourceGather", "ResourceGatherNd"),
        *(*_BINARY, *_COMPARE, *_UNARY, "Round", "Rsqrt", "Sign", "Sin", "Sqrt", "Square", "SquaredDifference", "Tan"),
        *("DivNoNan", "MulNoNan", "Xdivy", "Xlogy", "AddN", "BiasAdd", "BiasAddV1", "Cumsum", "ClipByValue"),
        *(
            "Elu",
            "LeakyRelu",
            "LogSoftmax",
            "Relu",
            "Relu6",
            "Selu",
            "Sigmoid",
            "Softmax",
            "Softplus",
            "Softsign",
            "Tanh",
        ),
        *("All", "Any", "Max", "Mean", "Min", "Prod", "Sum", "ArgMax", "ArgMin", "TopKV2", "L2Loss", "InTopKV2"),
        *("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "MatMul"),
        *("AvgPool", "AvgPool3D", "Conv2D", "Conv2DBackpropInput", "Conv3D", "Conv3DBackpropInputV2"),
        *("DepthwiseConv2dNative", "LRN", "MaxPool", "MaxPool3D", "MaxPoolV2", "MirrorPad", "Pad", "PadV2"),
        *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "BatchNormWithGlobalNormalization"),
        *("BatchToSpaceND", "DepthToSpace", "SpaceToBatchND", "SpaceToDepth"),
        *("BroadcastArgs", "BroadcastTo", "Cast", "Concat", "ConcatV2", "ExpandDims", "Fill", "Gather", "GatherNd"),
        *("GatherV2", "OneHot", "OnesLike", "Pack", "Range", "Rank", "Reshape", "ReverseV2", "Roll", "ScatterNd"),
        *("Select", "SelectV2", "Shape", "ShapeN", "Size", "Slice", "Split", "SplitV", "Squeeze", "StridedSlice"),
        *("TensorScatterUpdate", "Tile", "Transpose", "Unpack", "Where", "ZerosLike", "InvertPermutation"),
        *("AdjustContrastv2", "CropAndResize", "HSVToRGB", "RGBToHSV", "ResizeBicubic", "ResizeBilinear"),
        *("ResizeNearestNeighbor", "ImageProjectiveTransformV2", "ImageProjectiveTransformV3"),
        *("NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "CombinedNonMaxSuppression"),
        *("TensorListFromTensor", "TensorListGetItem", "TensorListReserve", "TensorListSetItem", "TensorListStack"),
        *("TensorListElementShape", "TensorListLength", "TensorListPushBack", "TensorListPopBack", "EmptyTensorList"),
        *("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"),
        *("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV4", "CheckNumerics", "EnsureShape", "PreventGradient"),
    }
)
"""Operations of TensorFlow that only compute with numbers, and variables, branches and loops of such."""
_OF_TRAINING = ("Assign", "Random", "StatelessRandom", "StatefulUniform", "StatefulStandardNormal")
"""What the names of operations begin with that give another answer every time."""
_KINDS = frozenset({"user_object", "function", "bare_concrete_function", "variable", "constant", "captured_tensor"})
"""Objects of a SavedModel that are made without running anything; `resource` and `asset` are tables and files."""
SLACK = 1 << 26
"""Values that constants may claim beyond the bytes of their file: what is written once can stand for many."""


def require_passive(graph: Any, path: Path) -> None:
    """Refuses a SavedModel that would run something, or read other files, when TensorFlow loads it.

    Args:
        graph: its `MetaGraphDef`.
        path: the path of its folder, for error messages.

    Raises:
        UnsafeFileError: it would.
    """
    if graph.asset_file_def:
        raise _refused(path, f"it reads the file {ascii(graph.asset_file_def[0].filename)[:80]}")
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _KINDS or node.saveable_objects or node.registered_saver or node.registered_name:
            what = node.registered_name or kind
            raise _refused(path, f"it has an object that is started when it is loaded ({ascii(what)[:80]})")


def require_computing(graph: Any, path: Path) -> None:
    """Refuses a graph with operations other than those that compute, and one with constants larger than their file.

    Args:
        graph: the `GraphDef` of what will be run, with all functions that it calls.
        path: the path of its folder, for error messages.

    Raises:
        UnsafeFileError: it has one.
        WeightsError: it gives another answer every time.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = list(_reached(graph.node, functions))
    strange = sorted({node.op for node in nodes} - ALLOWED - functions.keys())
    if any(name.startswith(_OF_TRAINING) for name in strange):
        raise WeightsError(
            f"{path} draws random numbers or changes its variables when it is run ({', '.join(strange[:3])}), as "
            "augmentation does that Keras has exported with the model: export the .keras file, which can leave it out, "
            "or save the part behind it"
        )
    if strange:
        raise _refused(path, f"it has the operation {', '.join(ascii(name)[1:-1] for name in strange[:3])}")
    claimed = sum(_values(node.attr["value"].tensor.tensor_shape.dim) for node in nodes if node.op == "Const")
    if claimed > graph.ByteSize() + SLACK:
        raise UnsafeFileError(f"{path} is refused: its constants claim {claimed} values, more than it holds")


def _reached(nodes: Iterable[Any], functions: Mapping[str, Any]) -> Iterator[Any]:
    """The nodes, and those of all functions that they call, however deep."""
    waiting = list(nodes)
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        yield node
        named = {node.op} | {name for value in node.attr.values() for name in _names(value)}
        for name in named & functions.keys() - seen:
            seen.add(name)
            waiting += functions[name].node_def


def _names(value: Any) -> Iterator[str]:
    """The functions that an attribute of a node names."""
    for one in (value.func, *value.list.func):
        yield one.name
        for inner in one.attr.values():
            yield from _names(inner)


def _values(dimensions: Iterable[Any]) -> int:
    return math.prod(max(0, dimension.size) for dimension in dimensions)


def _refused(path: Path, what: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"{path} is refused: {what}, which could run code, read files, or is nothing that a board can compute; save "
        "the part of the model from its pixels or values to its classes"
    )
