"""Walks the records of an `.onnx` file before anything is made of them.

The file is a protobuf message. Its parser is safe, but it makes an object of a hundred bytes and more of every two
bytes that claim to be one, so that a small file could fill the memory. This walk counts the records, skips the weights,
and refuses what no model has; it also finds out whether a file is cut off.
"""

from __future__ import annotations

from zoo.errors import ModelFileError
from zoo.onnx.reading.wire import BYTES, Data, Walker

MAX_PACKED = 1 << 26
"""The most bytes of whole numbers that are written as short as they are; each may take 8 bytes in memory."""
MAX_DEPTH = 8
"""The most graphs inside each other."""

_MESSAGES: dict[str, dict[int, str]] = {
    # The fields of each message that hold others, by their numbers in onnx.proto.
    "model": {7: "graph", 8: "leaf", 14: "leaf", 20: "training", 25: "function", 26: "leaf"},
    "training": {1: "graph", 2: "graph", 3: "leaf", 4: "leaf"},
    "function": {7: "node", 9: "leaf", 11: "attribute", 12: "value", 14: "leaf"},
    "graph": {
        1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 14: "annotation", 15: "sparse", 16: "leaf",
    },
    "node": {5: "attribute", 9: "leaf", 10: "device"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 14: "type", 15: "type", 22: "sparse", 23: "sparse",
    },
    "tensor": {3: "leaf", 13: "leaf", 16: "leaf"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type", 4: "leaf"},
    "type": {1: "typed", 4: "element", 5: "map", 8: "typed", 9: "element"},
    "element": {1: "type"},
    "map": {2: "type"},
    "typed": {2: "shape"},
    "shape": {1: "leaf"},
    "annotation": {2: "leaf"},
    "device": {2: "sharding"},
    "sharding": {3: "leaf", 4: "shard"},
    "shard": {2: "leaf"},
}  # fmt: skip
_PACKED = {("tensor", 1), ("tensor", 5), ("tensor", 7), ("tensor", 11), ("attribute", 8), ("sparse", 3)}
"""The fields of whole numbers, which may stand in one record."""


def walk(data: Data) -> None:
    """Walks all records of a file.

    Raises:
        ModelFileError: the bytes are no such message, are cut off, or claim more than any model has.
    """
    walker, packed = Walker(data), MAX_PACKED
    # The message, its first byte, its end, and how many graphs it is in.
    todo = [("model", 0, len(data), 0)]
    while todo:
        kind, start, end, depth = todo.pop()
        depth += kind == "graph"
        if depth > MAX_DEPTH:
            raise ModelFileError(f"it has graphs in graphs, more than {MAX_DEPTH} deep")
        inner = _MESSAGES.get(kind, {})
        for field in walker.fields(start, end):
            if field.kind != BYTES:
                continue
            if field.number in inner:
                todo.append((inner[field.number], field.start, field.end, depth))
            elif (kind, field.number) in _PACKED:
                packed -= field.end - field.start
                if packed < 0:
                    raise ModelFileError(f"it has more than {MAX_PACKED} bytes of numbers that are written one by one")
