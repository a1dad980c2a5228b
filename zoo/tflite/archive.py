"""Safe limits for the archive behind a model: for its zip directory, and for its JSON."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

MAX_DIRECTORY_BYTES = 1 << 20
"""Largest size of an archive's list of parts; Python's zipfile needs about twenty times as much memory for it."""
MAX_DEPTH = 32
"""The most levels of nested lists and objects; the package's own cards have four."""
MAX_DIGITS = 20
"""The most digits of an integer; one of 64 bits has no more."""

_END = struct.Struct("<4s4H2LH")  # zip's "end of central directory"
_END_MARK = b"PK\5\6"
_LARGE_MARK, _LARGE_BYTES = b"PK\6\7", 20  # stands before it if the archive has 64-bit sizes
_MAX_COMMENT = 65_535


def require_small_directory(path: Path) -> None:
    """Checks the size of the archive at a file's end, because `zipfile` reads its whole directory at once.

    Raises:
        ValueError: the directory is larger than that of any model, or is in the format for archives above 4 GB.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size - _MAX_COMMENT - _LARGE_BYTES))
        tail = file.read()
    # `zipfile` looks in the same places: at the very end, then at the last mark.
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != _END_MARK or tail[-2:] != b"\0\0":
        at = tail.rfind(_END_MARK)
    if at < 0 or at + _END.size > len(tail):
        return
    directory = _END.unpack_from(tail, at)[5]
    if directory > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory has {directory} bytes, the limit is {MAX_DIRECTORY_BYTES}")
    if tail[max(0, at - _LARGE_BYTES) : at].startswith(_LARGE_MARK):
        raise ValueError("it is an archive of the kind for more than 4 GB")


def parse(text: str) -> Any:
    """Parses JSON into values that can be written as valid JSON and as text again.

    NaN and infinite numbers become null; lone surrogates become question marks.

    Raises:
        ValueError: the text is no JSON, holds an integer of more than 64 bits, or is nested too deep.
        RecursionError: it is nested too deep for Python.
    """
    found = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=lambda _: None)
    return _clean(found, MAX_DEPTH)


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits, the limit is {MAX_DIGITS}")
    return int(digits)


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _clean(value: Any, depth: int) -> Any:
    if depth < 0:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_clean(key, 0): _clean(item, depth - 1) for key, item in value.items()}
    return value
