"""Puts a new root table in front of a `.tflite` model, with one more metadata entry and one signature."""

from __future__ import annotations

from collections.abc import Iterable

import flatbuffers

from zoo.errors import ExportError
from zoo.tflite.writing.front import BUFFERS, METADATA, SIGNATURES, Front, aligned_bytes, table, tables
from zoo.tflite.writing.tags import Signature


def prepend_root(flatbuffer: bytes, name: str, blob: bytes, signature: Signature) -> bytes:
    """Returns the model with `blob` as its metadata entry `name`, and with this signature only.

    Raises:
        ExportError: the model has an unknown schema, or other inputs and outputs than the signature.
    """
    front = Front(flatbuffer)
    root = front.root
    outputs = [int(root.graph.Outputs(i)) for i in range(root.graph.OutputsLength())]
    if len(outputs) != len(signature.outputs):
        raise ExportError(f"the file has {len(outputs)} outputs, the model has {len(signature.outputs)}")
    names = [root.model.Metadata(i).Name() for i in range(root.model.MetadataLength())]
    kept = [place for place, other in zip(root.members(METADATA), names, strict=True) if other != name.encode()]
    buffers = root.members(BUFFERS)
    entry = front.embed(lambda b: table(b, {0: b.CreateString(name)}, {1: ("Uint32", len(buffers))}))
    buffer = front.embed(lambda b: table(b, {0: aligned_bytes(b, blob)}))
    ends = int(root.graph.Inputs(0)), outputs
    signed = front.embed(lambda b: _signature(b, signature, *ends))
    return front.finish(
        {
            BUFFERS: front.vector([*buffers, buffer]),
            METADATA: front.vector([*kept, entry]),
            SIGNATURES: front.vector([signed]),
        }
    )


def _signature(b: flatbuffers.Builder, signature: Signature, entry: int, outputs: Iterable[int]) -> int:
    def names(pairs: Iterable[tuple[str, int]]) -> int:
        return tables(b, [table(b, {0: b.CreateString(name)}, {1: ("Uint32", tensor)}) for name, tensor in pairs])

    inputs = names([(signature.input, entry)])
    made = names(zip(signature.outputs, outputs, strict=True))
    return table(b, {0: inputs, 1: made, 2: b.CreateString(signature.key)})
