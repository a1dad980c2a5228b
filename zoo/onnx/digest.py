"""The checksums of all that an `.onnx` file holds besides its card, by which damage is found.

A file is a sequence of fields, and its card is one of them. The others are hashed in their order, wherever the card
stands: graph, weights, labels, anchors. The card has a checksum of its own, see `zoo.onnx.card.is_sealed`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from zoo.errors import ModelFileError
from zoo.onnx.card import CARD, PREFIX, is_sealed, read_props
from zoo.onnx.kinds import mapped
from zoo.onnx.reading import outline
from zoo.onnx.reading.wire import Data, Field, Walker

FIELD = "contents"
"""The card's field with size and checksums of the other fields of the file."""
_PROPERTY = 14
"""The number of the fields of a file that are properties."""
_BLOCK = 1 << 18


def digest(content: bytes) -> dict[str, Any]:
    """Returns size and checksums of a file's bytes, for its card, which is not yet among them."""
    import hashlib

    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "crc32": zlib.crc32(content)}


def check(path: Path, *, thorough: bool = False) -> str:
    """Compares a file with the checksums in its card, and the card with its own.

    Args:
        path: the file.
        thorough: whether to compare the SHA-256 instead of the CRC-32, which takes several times as long.

    Returns:
        `right`, `wrong`, or `none` without a checksum of the contents, as in a file of another tool.

    Raises:
        ModelFileError: the file cannot be read, is no ONNX file, or its card is damaged.
    """
    props = outline.read_props(path)
    if CARD not in props:
        return "wrong" if any(key.startswith(PREFIX) for key in props) else "none"
    if is_sealed(props, path) == "wrong":
        return "wrong"
    stated = read_props(props, path).card.get(FIELD)
    return "none" if stated is None else "right" if _is_right(path, stated, thorough=thorough) else "wrong"


def _is_right(path: Path, stated: Any, *, thorough: bool) -> bool:
    spans = list(_without_card(mapped(path)))
    if not isinstance(stated, dict) or stated.get("bytes") != sum(end - start for start, end in spans):
        return False
    try:
        with path.open("rb") as file:  # read, not mapped: the pages of a mapping count as this process's memory
            if thorough:
                import hashlib

                sha256 = hashlib.sha256()
                for block in _blocks(file, spans):
                    sha256.update(block)
                return bool(stated.get("sha256") == sha256.hexdigest())
            crc = 0
            for block in _blocks(file, spans):
                crc = zlib.crc32(block, crc)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    return bool(stated.get("crc32") == crc)


def _without_card(data: Data) -> Iterator[tuple[int, int]]:
    """Yields first byte and end of what stands before the card, and of what stands behind it."""
    walker, start, at = Walker(data), 0, 0
    for entry in walker.fields(0, len(data)):
        if entry.number == _PROPERTY and _is_card(walker, entry):
            yield start, at
            start = entry.end
        at = entry.end
    yield start, at


def _is_card(walker: Walker, entry: Field) -> bool:
    return any(one.number == 1 and walker.text(one) == CARD for one in walker.messages(entry))


def _blocks(file: IO[bytes], spans: list[tuple[int, int]]) -> Iterator[bytes]:
    for start, end in spans:
        file.seek(start)
        left = end - start
        while left > 0 and (block := file.read(min(left, _BLOCK))):
            yield block
            left -= len(block)
