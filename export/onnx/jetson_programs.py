"""The programs of NVIDIA's jetson-inference: what they do to pixels, how they read labels, and how they are called."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ExportError, listed
from zoo.export.options import ExportOptions
from zoo.onnx.programs import FOR

Array = npt.NDArray[Any]

PACKAGE = "jetson-inference"
INPUT = "input_0"
BACKGROUND = "BACKGROUND"
SYNSET = 9
"""The place of the blank behind an ImageNet number, `n01440764 tench`, which the programs cut off with it."""


@dataclass(frozen=True)
class Program:
    """One of the programs."""

    name: str
    mean: tuple[float, float, float]
    """What it subtracts from the channels red, green and blue of a picture of 0..1."""
    std: tuple[float, float, float]
    """By what it divides them then."""
    outputs: tuple[str, ...]
    """What the outputs are called."""
    options: str
    """The options that name input and outputs."""
    first_labels: tuple[str, ...] = ()
    """The labels before those of the classes."""

    def prepare(self, pixels: Array) -> Array:
        """Returns pixels 0..255 of shape (batch, 3, height, width) as the program hands them to a model, float32."""
        mean, std = (np.array(one, np.float64).reshape(1, 3, 1, 1) for one in (self.mean, self.std))
        prepared: Array = ((pixels / 255 - mean) / std).astype(np.float32)
        return prepared


IMAGENET = Program(
    "imagenet",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    outputs=("output_0",),
    options=f"--input_blob={INPUT} --output_blob=output_0",
)
DETECTNET = Program(
    "detectnet",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    outputs=("scores", "boxes"),
    options=f"--input-blob={INPUT} --output-cvg=scores --output-bbox=boxes",
    first_labels=(BACKGROUND,),
)


def require_options(options: ExportOptions) -> None:
    """Finds out whether an export can be one for the programs.

    Raises:
        ExportError: an option does not go with it.
    """
    wrong = {
        f"--quantize {options.quantize}": options.quantize != "none",
        f"--batch {options.batch}": options.batch != 1,
        "--logits": options.logits,
        f"--layout {options.layout}": options.layout == "nhwc",
        "--nms file": options.nms == "file",
    }
    if unfit := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise ExportError(
            f"--for {PACKAGE} does not go with {listed(unfit)}: its programs take one float32 picture, channels first, "
            "and probabilities; TensorRT makes float16 of it itself"
        )


def command_of(path: Path, card: Mapping[str, Any]) -> str | None:
    """Returns the command that runs a file of these programs on a Jetson; None for a file of others."""
    made_for = card.get(FOR)
    name = made_for.get("program") if isinstance(made_for, dict) else None
    for program in (IMAGENET, DETECTNET):
        if program.name == name:
            return command(program, path, labels_beside(path))
    return None


def labels_beside(path: Path) -> Path:
    """Returns the path of the labels of a file."""
    return path.with_name(f"{path.stem}_labels.txt")


def command(program: Program, path: Path, labels: Path, source: str = "csi://0") -> str:
    """Returns the command that runs a file on a Jetson's camera, in the folder of both files."""
    names = f"--model={shlex.quote(path.name)} --labels={shlex.quote(labels.name)}"
    return f"{program.name} {names} {program.options} {source}"


def label_line(label: str, place: int) -> str:
    """Returns the line of a label in the programs' files.

    They take a line that begins with n and has a blank at the tenth place, such as `newspaper stand`, for a number of
    ImageNet and a name. Such a label gets a number of its own.
    """
    if label.startswith("n") and label[SYNSET : SYNSET + 1] == " ":
        return f"n{place:08} {label}"
    return label
