"""Reads numpy's `.npy` files safely: the size that a header claims is checked against the file before anything is read.

`numpy.load` allocates the claimed size without that check.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from zoo.errors import first_line

HEAD = 1 << 14
"""Largest size of a header in bytes; numpy reads no longer ones."""
_KINDS = frozenset("biufc")
"""Numpy's kinds of numbers. Objects are excluded, because reading them can run code."""


@dataclass(frozen=True)
class Header:
    """The header of a file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_columns: bool
    """Whether the first index changes fastest (Fortran order)."""
    offset: int
    """Position of the first value, in bytes."""

    @property
    def bytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes], size: int | None) -> tuple[Header, bytes]:
    """Reads the header of a file.

    Args:
        stream: the open file at its beginning.
        size: the size of the file in bytes; None if it is not known, as for a pipe.

    Returns:
        The header, and all bytes that were read from the stream.

    Raises:
        ValueError: the file is no `.npy` file of numbers, or its header claims more values than it holds.
    """
    front = stream.read(HEAD)
    head = io.BytesIO(front)
    try:
        version = np.lib.format.read_magic(head)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_columns, dtype = read(head)
    except Exception as error:  # numpy's reader raises what Python's own raises on a header
        raise ValueError(f"its header is damaged: {first_line(error)}") from error
    if version not in {(1, 0), (2, 0)}:
        raise ValueError(f"it is of version {version[0]}.{version[1]}, which holds no plain numbers")
    if dtype.kind not in _KINDS:
        raise ValueError(f"it holds no plain numbers but {str(dtype)[:60]}")
    if any(side < 0 for side in shape):
        raise ValueError(f"its header is damaged: it has the shape {str(shape)[:60]}")
    header = Header(tuple(map(int, shape)), dtype, bool(in_columns), head.tell())
    if size is not None and header.bytes > size - header.offset:
        raise ValueError(f"it claims {header.bytes} bytes of values and has {size - header.offset}")
    return header, front


def read_values(stream: IO[bytes], header: Header, front: bytes) -> npt.NDArray[Any]:
    """Reads the values that follow a header; see `read_header`.

    Raises:
        ValueError: the file ends too early.
    """
    begun = front[header.offset : header.offset + header.bytes]
    content = begun + stream.read(header.bytes - len(begun))
    if len(content) != header.bytes:
        raise ValueError(f"it claims {header.bytes} bytes of values and has {len(content)}")
    values: npt.NDArray[Any] = np.frombuffer(content, header.dtype)
    # The array is copied so that it is writable, like an array from `numpy.load`.
    found: npt.NDArray[Any] = values.reshape(header.shape, order="F" if header.in_columns else "C").copy(order="K")
    return found


def read(stream: IO[bytes], size: int) -> npt.NDArray[Any]:
    """Reads a whole array.

    Args:
        stream: the open file at its beginning.
        size: the size of the file in bytes.

    Raises:
        ValueError: see `read_header`.
    """
    header, front = read_header(stream, size)
    return read_values(stream, header, front)


def map_file(path: Path) -> npt.NDArray[Any]:
    """Returns a file's array as a memory map, so that only the parts in use are read.

    Raises:
        OSError: the file cannot be opened.
        ValueError: see `read_header`.
    """
    with path.open("rb") as stream:
        header, _ = read_header(stream, path.stat().st_size)
    order: Literal["C", "F"] = "F" if header.in_columns else "C"
    if not header.bytes:
        return np.empty(header.shape, header.dtype, order=order)
    found: npt.NDArray[Any] = np.memmap(path, header.dtype, "r", header.offset, header.shape, order)
    return found
