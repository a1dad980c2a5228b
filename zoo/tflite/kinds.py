"""Tells `.tflite` files from what is given for one by mistake, and says what can be made into one or holds one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from zoo.errors import ModelFileError
from zoo.files.reading import is_endless

IDENTIFIER = b"TFL3"
"""File identifier of TFLite models, at bytes 4 to 8."""
HDF5 = b"\x89HDF"
ZIP = b"PK"


def advice(path: Path, head: bytes = b"") -> str:
    """Returns which `.tflite` file may be meant, or how one is made of this, as the rest of a sentence; else nothing.

    Args:
        path: a file, or a folder.
        head: the first bytes of a file.
    """
    if head.startswith(HDF5) or (head.startswith(ZIP) and path.suffix == ".keras"):
        kind = "Keras model"
    elif (path / "saved_model.pb").exists():
        kind = "SavedModel folder"
    elif files := sorted(path.glob("*.tflite")):
        return f"it is a folder; give a file in it, such as {files[0]}"
    elif path.is_dir() and (keras := sorted(path.glob("*.keras"))):
        return f"it is a folder; zoo export {keras[0]} makes a .tflite file of the model in it"
    else:
        return ""
    return f"it is a {kind}, and zoo export {path} makes a .tflite file of that"


def require_kind(path: str | Path) -> None:
    """Refuses what is no `.tflite` file by its first bytes, or cannot be read.

    Raises:
        ModelFileError: it is none; the message says what it is instead, where that is known.
    """
    with opened(Path(path)):
        pass


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens a `.tflite` file.

    Raises:
        ModelFileError: see `require_kind`.
    """
    try:
        if is_endless(path):
            raise ModelFileError(f"{path} is no file but a named pipe or a device")
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise ModelFileError(f"{path} is not a .tflite file: it has {size} bytes")
            head = file.read(8)
            if head[4:] != IDENTIFIER:
                told = advice(path, head) or f"it does not carry the mark {IDENTIFIER.decode()!r}"
                raise ModelFileError(f"{path} is not a .tflite file: {told}")
            yield file
    except OSError as error:
        if told := advice(path):
            raise ModelFileError(f"{path} is not a .tflite file: {told}") from error
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
