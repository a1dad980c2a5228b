"""Tells `.onnx` files from others, and opens them."""

from __future__ import annotations

import mmap
from pathlib import Path

from zoo.errors import ModelFileError
from zoo.files.reading import is_endless
from zoo.tflite.kinds import IDENTIFIER, advice

SUFFIX = ".onnx"


def is_onnx(path: str | Path) -> bool:
    """Returns whether a file is to be read as ONNX: the format has no mark of its own, so that its name says so."""
    return Path(path).suffix.lower() == SUFFIX


def require_kind(path: str | Path) -> None:
    """Refuses what is no ONNX file by its first bytes, or cannot be read.

    Raises:
        ModelFileError: it is none; the message says what it is instead, where that is known.
    """
    mapped(Path(path)).close()


def mapped(path: Path) -> mmap.mmap:
    """Maps a file into memory; errors as for `require_kind`."""
    try:
        if is_endless(path):
            raise ModelFileError(f"{path} is no file but a named pipe or a device")
        with path.open("rb") as opened:
            if path.stat().st_size == 0:
                raise ModelFileError(f"{path} is not an .onnx file: it is empty")
            head = opened.read(8)
            if head[4:] == IDENTIFIER:
                raise ModelFileError(f"{path} is not an .onnx file but a .tflite file; give it a name that ends so")
            if told := advice(path, head):
                raise ModelFileError(f"{path} is not an .onnx file: {told}")
            return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
