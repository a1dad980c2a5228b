"""What a model file says of itself, whichever format it has: `.tflite` or `.onnx`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from zoo.onnx.kinds import is_onnx
from zoo.onnx.kinds import require_kind as require_onnx
from zoo.tflite import card, kinds, modelfile
from zoo.tflite.card import Description
from zoo.tflite.modelfile import ModelFile

Form = Literal[".tflite", ".onnx"]
Shape = tuple[int, ...]


def form_of(path: str | Path) -> Form:
    """Returns the format of a file: `.onnx` where its name ends so, else `.tflite`."""
    return ".onnx" if is_onnx(path) else ".tflite"


def require_kind(path: str | Path) -> None:
    """Refuses what is no model file by its first bytes, or cannot be read.

    Raises:
        ModelFileError: it is none; the message says what it is instead, where that is known.
    """
    if is_onnx(path):
        require_onnx(path)
    else:
        kinds.require_kind(path)


def read(path: str | Path) -> ModelFile:
    """Reads the structure of a file, and checks it.

    Raises:
        ModelFileError: the file cannot be read, is of another kind, or is damaged.
    """
    if is_onnx(path):
        from zoo.onnx.reading import outline  # not on the way of a .tflite file

        return outline.read(path)
    return modelfile.read(path)


def with_shapes(file: ModelFile, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> ModelFile:
    """Returns a file with the shapes that a runtime found for its inputs and outputs; a `.tflite` file has them all.

    Args:
        file: the file.
        inputs: the shape of each input.
        outputs: the shape of each output.
    """
    if not is_onnx(file.path):
        return file
    from zoo.onnx.reading import graph

    return graph.with_shapes(file, inputs, outputs)


def describe(path: str | Path) -> Description:
    """Reads the labels and the card of a file; an empty description for a file that another tool made.

    Raises:
        ModelFileError: they are damaged, or of unreasonable size.
    """
    if is_onnx(path):
        from zoo.onnx.card import read_props
        from zoo.onnx.reading import outline

        return read_props(outline.read_props(path), path)
    return card.describe(path)


def model_part(path: Path) -> str:
    """Checks the model in a file, or all of an `.onnx` file, against its card: `right`, `wrong`, or `none` without a
    checksum.

    Raises:
        ModelFileError: the file cannot be read.
    """
    if is_onnx(path):
        from zoo.onnx import digest

        return digest.check(path)
    return card.model_part(path)
