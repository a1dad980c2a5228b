"""Makes constants of a model's inputs, so that weights need not pass through the converter.

The constants are written behind the model, and new tables in front of it point to them. Numbers are slots of the tables
of TensorFlow's schema.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import flatbuffers
import numpy.typing as npt
import tflite
from tflite import BuiltinOperator

from zoo.errors import ExportError
from zoo.tflite.writing.front import BUFFERS, SIGNATURES, SUBGRAPHS, Front, Old, Place

Values = Callable[[tflite.Tensor], Iterable[npt.NDArray[Any]]]
"""Returns the values of a tensor from its first to its last, in as many pieces as it likes."""
_TENSORS, _INPUTS, _OPERATORS = 0, 1, 3
_SUBGRAPH_OFFSETS = range(5)
_OP_VECTORS = (1, 2, 8)
"""The slots of an operation's inputs, outputs and intermediates."""
_ALIGNED = 16


def with_constants(flatbuffer: bytes, values: Sequence[Values]) -> bytes:
    """Returns a model whose inputs behind the first are constants.

    An operation QUANTIZE that reads such an input is left out, and what it makes is the constant. The signatures are
    dropped, since they name the inputs.

    Args:
        flatbuffer: a model of one graph, with one more input for each constant.
        values: those of each such input, in their order and in the type of the constant.

    Raises:
        ExportError: the model has several graphs, other inputs, a constant whose buffer is not its own, or is above
            2 GB.
    """
    model = tflite.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    if model.SubgraphsLength() != 1 or graph.InputsLength() != 1 + len(values):
        raise ExportError(f"the model does not have one graph with {1 + len(values)} inputs")
    sources = [int(graph.Inputs(1 + i)) for i in range(len(values))]
    quantized = _quantized(model, set(sources))
    targets = [quantized[source][1] if source in quantized else source for source in sources]
    buffers = [graph.Tensors(target).Buffer() for target in targets]
    every = [graph.Tensors(i).Buffer() for i in range(graph.TensorsLength())]
    if any(every.count(buffer) != 1 or not buffer for buffer in buffers):
        raise ExportError("a constant does not have a buffer of its own")
    whole = bytearray(flatbuffer)
    starts = {
        buffer: _append(whole, made(graph.Tensors(target)))
        for buffer, made, target in zip(buffers, values, targets, strict=True)
    }
    if len(whole) >= 1 << 31:
        raise ExportError("weights above 2 GB do not fit into a flatbuffer")
    dropped = [op for op, _ in quantized.values()]
    _renumber(whole, graph, removed=set(quantized))
    return _finish(whole, starts, removed=set(quantized), dropped=set(dropped))


def _quantized(model: tflite.Model, sources: set[int]) -> dict[int, tuple[int, int]]:
    """Returns, for each of some tensors that QUANTIZE reads, the numbers of that operation and of what it makes."""
    graph = model.Subgraphs(0)
    found = {}
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        code = model.OperatorCodes(op.OpcodeIndex()).BuiltinCode()
        if code == BuiltinOperator.QUANTIZE and op.Inputs(0) in sources:
            found[int(op.Inputs(0))] = i, int(op.Outputs(0))
    return found


def _append(whole: bytearray, pieces: Iterable[npt.NDArray[Any]]) -> int:
    """Appends a vector of bytes that begins where weights may, and returns the position of its length."""
    whole.extend(bytes(-(len(whole) + 4) % _ALIGNED))
    start = len(whole)
    whole.extend(bytes(4))
    for piece in pieces:
        whole.extend(piece.tobytes())
    struct.pack_into("<I", whole, start, len(whole) - start - 4)
    whole.extend(bytes(-len(whole) % _ALIGNED))
    return start


def _renumber(whole: bytearray, graph: tflite.SubGraph, removed: set[int]) -> None:
    """Writes the numbers that tensors have without the removed ones wherever a graph and its operations name them."""
    if not removed:
        return
    tables = [(graph._tab, (1, 2)), *((graph.Operators(i)._tab, _OP_VECTORS) for i in range(graph.OperatorsLength()))]
    vectors = {table.Vector(o): table.VectorLen(o) for table, slots in tables for s in slots if (o := _slot(table, s))}
    for start, length in vectors.items():
        numbers = struct.unpack_from(f"<{length}i", whole, start)
        struct.pack_into(f"<{length}i", whole, start, *(n - sum(one < n for one in removed) for n in numbers))


def _slot(table: flatbuffers.table.Table, slot: int) -> int:
    return int(table.Offset(4 + 2 * slot))


def _finish(whole: bytearray, starts: dict[int, int], removed: set[int], dropped: set[int]) -> bytes:
    """Puts the tables in front that point to the constants, and to what is left of the graph."""
    front = Front(bytes(whole))
    whole.clear()
    root = front.root
    fields = root.fields(root.members(SUBGRAPHS)[0].position)
    tensors, operators = (root.tables(root.target(fields[slot]).position) for slot in (_TENSORS, _OPERATORS))
    changed: dict[int, Place] = {
        slot: root.target(position) for slot, position in fields.items() if slot in _SUBGRAPH_OFFSETS
    }
    changed[_INPUTS] = front.numbers([int(root.graph.Inputs(0))])
    changed[_TENSORS] = front.vector([place for i, place in enumerate(tensors) if i not in removed])
    changed[_OPERATORS] = front.vector([place for i, place in enumerate(operators) if i not in dropped])
    members: list[Place] = list(root.members(BUFFERS))
    for buffer, start in starts.items():
        members[buffer] = front.table({0: Old(start)})
    return front.finish(
        {
            BUFFERS: front.vector(members),
            SUBGRAPHS: front.vector([front.table(changed)]),
            SIGNATURES: front.vector([]),
        }
    )
