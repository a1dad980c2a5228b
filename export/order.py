"""Restores the order of a converted file's outputs."""

from __future__ import annotations

import struct

import tflite

from zoo.errors import ExportError

_OUTPUTS = 8
"""The offset of the outputs in the vtable of the table `SubGraph` of TensorFlow's schema.fbs."""


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
