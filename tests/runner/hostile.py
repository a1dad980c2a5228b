"""Makes small `.tflite` files that claim to be large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import flatbuffers
import numpy as np

from zoo.tflite.writing.front import table, tables


@dataclass
class Claims:
    """The claims of a file; a number says how often one object is named."""

    shape: Sequence[int] = (1, 10)
    name: str = "x"
    tensors: int = 1
    ops: int = 0
    op_inputs: int = 2
    codes: int = 1
    custom: str = ""
    graphs: int = 1
    buffers: int = 1
    scales: int = 0
    metadata: int = 0
    metadata_bytes: int = 0
    metadata_name: str = "m"

    def write(self, path: Path) -> Path:
        """Writes the file."""
        b = flatbuffers.Builder(1024)
        blob = b.CreateByteVector(b"\0" * self.metadata_bytes)
        names = [b.CreateString(f"{self.metadata_name}{i}") for i in range(self.metadata)]
        entries = [table(b, {0: name}, {1: ("Uint32", 1)}) for name in names]
        offsets = {0: b.CreateNumpyVector(np.asarray(self.shape, np.int32)), 3: b.CreateString(self.name)}
        if self.scales:
            offsets[4] = table(b, {2: b.CreateNumpyVector(np.ones(self.scales, np.float32))})
        tensor = table(b, offsets)
        inputs = b.CreateNumpyVector(np.zeros(self.op_inputs, np.int32))
        ends = b.CreateNumpyVector(np.zeros(1, np.int32))
        op = table(b, {1: inputs, 2: ends})
        code = self._code(b)
        fields = {0: tables(b, [tensor] * self.tensors), 1: ends, 2: ends, 3: tables(b, [op] * self.ops)}
        graph = table(b, fields)
        empty, full = table(b), table(b, {0: blob})
        root = {
            1: tables(b, [code] * self.codes),
            2: tables(b, [graph] * self.graphs),
            4: tables(b, [empty, full, *[empty] * (self.buffers - 1)]),
            6: tables(b, entries),
        }
        b.Finish(table(b, root, {0: ("Uint32", 3)}), b"TFL3")
        path.write_bytes(bytes(b.Output()))
        return path

    def _code(self, b: flatbuffers.Builder) -> int:
        if self.custom:
            return table(b, {1: b.CreateString(self.custom)}, {0: ("Int8", 32), 3: ("Int32", 32)})
        return table(b, {}, {0: ("Int8", 3), 3: ("Int32", 3)})


Make = Callable[[Path], Path]
