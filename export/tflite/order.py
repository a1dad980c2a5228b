"""Puts outputs and operations of a converted file in order, and names its outputs."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import tflite
from tflite import BuiltinOperator

from zoo.errors import ExportError

_OUTPUTS = 8
"""The offset of the outputs in the vtable of the table `SubGraph` of TensorFlow's schema.fbs."""
_OPERATORS = 10
"""The offset of the operations there."""
_NAME = 10
"""The offset of the name in the vtable of the table `Tensor`."""
_ARRANGING = {BuiltinOperator.CONCATENATION, BuiltinOperator.LOGISTIC, BuiltinOperator.RESHAPE}
"""The operations that finish the outputs of a detector."""
_CONVERTING = {BuiltinOperator.DEQUANTIZE, BuiltinOperator.QUANTIZE}
"""The operations that give outputs their type."""


def in_model_order(flatbuffer: bytes) -> bytes:
    """Returns a file that was made from a SavedModel, with the outputs in the order of the model.

    A SavedModel knows its outputs by name, and the converter lists them in another order. Keras' export names
    them `output_0`, `output_1`, ... in the model's order, and the converter keeps the names in the file's signature.

    Raises:
        ExportError: the signature does not have these names for all outputs.
    """
    model = tflite.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    count = graph.OutputsLength()
    if count < 2:
        return flatbuffer
    tensors = {}
    if model.SignatureDefsLength():
        signature = model.SignatureDefs(0)
        named = [signature.Outputs(i) for i in range(signature.OutputsLength())]
        tensors = {entry.Name().decode(): int(entry.TensorIndex()) for entry in named}
    wanted = [tensors.get(f"output_{i}", -1) for i in range(count)]
    if sorted(wanted) != sorted(int(graph.Outputs(i)) for i in range(count)):
        raise ExportError(
            f"the converter lost the order of {count} outputs: its file names {', '.join(tensors) or 'none'}"
        )
    changed = bytearray(flatbuffer)
    struct.pack_into(f"<{count}i", changed, graph._tab.Vector(graph._tab.Offset(_OUTPUTS)), *wanted)
    return bytes(changed)


def with_output_names(flatbuffer: bytes, names: Sequence[str]) -> bytes:
    """Returns a file whose outputs have these names; the converter calls them by numbers, or `Identity`.

    The names are written behind the rest, to which nothing happens.

    Args:
        flatbuffer: the file.
        names: one for each output, in their order.
    """
    graph = tflite.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    changed = bytearray(flatbuffer)
    for i, name in enumerate(names):
        table = graph.Tensors(graph.Outputs(i))._tab
        slot = table.Offset(_NAME)
        if not slot:
            raise ExportError(f"the converter gave output {i} no name, so that it cannot be called {name!r}")
        changed.extend(bytes(-len(changed) % 4))
        position, text = len(changed), name.encode()
        changed.extend(struct.pack("<I", len(text)) + text + b"\0")
        struct.pack_into("<I", changed, table.Pos + slot, position - table.Pos - slot)
    changed.extend(bytes(-len(changed) % 16))
    return bytes(changed)


def with_tail_last(flatbuffer: bytes) -> bytes:
    """Returns a file whose operations that only arrange and finish the outputs stand behind all others.

    An accelerator that lacks one of them runs all that is before it. The converter puts each level's reshaping between
    the convolutions of two levels. Conversions to the type of an output stand behind the rest.
    """
    model = tflite.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    ops = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    codes = [model.OperatorCodes(op.OpcodeIndex()).BuiltinCode() for op in ops]
    tail, ends = _tail(ops, codes, _ARRANGING | _CONVERTING), _tail(ops, codes, _CONVERTING)
    changed = bytearray(flatbuffer)
    start = graph._tab.Vector(graph._tab.Offset(_OPERATORS))
    for place, i in enumerate(sorted(range(len(ops)), key=lambda i: (i in tail) + (i in ends))):
        position = start + 4 * place
        struct.pack_into("<I", changed, position, ops[i]._tab.Pos - position)
    return bytes(changed)


def _tail(ops: Sequence[tflite.Operator], codes: Sequence[int], kinds: set[int]) -> set[int]:
    """Returns the indexes of those operations of some kinds whose outputs only such operations read."""
    read_before: set[int] = set()
    found: set[int] = set()
    for i in reversed(range(len(ops))):
        made = {ops[i].Outputs(j) for j in range(ops[i].OutputsLength())}
        if codes[i] in kinds and not made & read_before:
            found.add(i)
        else:
            read_before |= {ops[i].Inputs(j) for j in range(ops[i].InputsLength())}
    return found
