"""Reads the inputs of models that do not take pictures, from `.npy` and `.csv` files."""

from __future__ import annotations

import io
import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import InputError, first_line
from zoo.files.reading import is_endless

if TYPE_CHECKING:
    import numpy.typing as npt

SUFFIXES = {".npy", ".csv"}
"""Suffixes of the files that `load_values` reads."""

CSV_BYTES = 1 << 20
"""Bytes that every `.csv` file may have."""
NUMBER_BYTES = 64
"""Further bytes of a `.csv` file for each number, spaces included; Python writes at most 24 for one."""


def most_bytes(shape: tuple[int, ...]) -> int:
    """Returns the largest size, in bytes, of a `.csv` file with values of this shape."""
    return CSV_BYTES + NUMBER_BYTES * math.prod(shape)


def load_values(path: str | Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Reads one input.

    Args:
        path: a `.npy` file, or a `.csv` file of numbers with one row per step (a single row for a vector).
        shape: the shape of the input, without the batch.

    Returns:
        `shape`, float32.

    Raises:
        InputError: the file cannot be read, has another shape, or holds a value that is not a finite number.
    """
    path = Path(path)
    try:
        if is_endless(path):
            raise InputError(f"{path} is no file but a named pipe or a device")
        values = _from_npy(path, shape) if path.suffix == ".npy" else _from_csv(path, shape)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {first_line(error)}") from error
    if values.shape == (1, *shape):
        values = values[0]
    _require_shape(path, values.shape, shape)
    values = np.asarray(values, dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds values that are not finite numbers")
    return values


def _from_npy(path: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    from zoo.inputs import npy  # imported here, because pictures need none of it

    with path.open("rb") as stream:
        about = path.stat()
        header, front = npy.read_header(stream, about.st_size if stat.S_ISREG(about.st_mode) else None)
        if header.shape != (1, *shape):
            _require_shape(path, header.shape, shape)
        return npy.read_values(stream, header, front)


def _from_csv(path: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    most = most_bytes(shape)
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most} bytes; values of shape {shape} take fewer")
    try:
        return np.loadtxt(io.StringIO(content.decode()), delimiter=",", dtype=np.float32, ndmin=2)
    except ValueError as error:
        found = _from_spreadsheet(content, shape)
        if found is None:
            raise error
        return found


def _from_spreadsheet(content: bytes, shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    """Returns the numbers of a CSV file of any program and country; None if there are others than numbers in it.

    A first row without a number is a header, and a column more than the model takes is the rows' numbers, where its
    name is that of an index or it has none. A comma is a decimal comma where another character parts the cells.
    """
    # Imported here, because files of plain numbers need none of it.
    import csv

    from zoo.files.reading import decoded, one_line_end
    from zoo.inputs.table import rows_of, separator_of

    text = one_line_end(decoded(content))
    try:
        rows = [row for _, row in rows_of(text)]
    except csv.Error:
        return None
    if separator_of(text.partition("\n")[2] or text) != ",":
        rows = [[cell.replace(",", ".") for cell in row] for row in rows]
    if rows and all(_number(cell) is None for cell in rows[0]):
        header, rows = rows[0], rows[1:]
        if len(header) == shape[-1] + 1 and header[0].lower() in {"", "index", "unnamed: 0"}:
            rows = [row[1:] for row in rows]
    numbers = [[_number(cell) for cell in row] for row in rows]
    if not numbers or len({len(row) for row in numbers}) > 1 or any(one is None for row in numbers for one in row):
        return None
    return np.array(numbers, dtype=np.float32)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _require_shape(path: Path, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        shown = str(found) if len(str(found)) < 100 else f"{len(found)} dimensions"
        raise InputError(f"{path} holds values of shape {shown}, the model takes {wanted}")
