"""The policy for resizing pictures to a model's input, which is stored in the file's card. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Resize = Literal["crop", "pad", "stretch"]
"""How a picture is resized to the model's width and height: `crop` keeps the aspect ratio and cuts the longer side
evenly at both ends; `pad` keeps the whole picture and adds black borders; `stretch` distorts it."""


RESIZES: tuple[Resize, ...] = ("crop", "pad", "stretch")


def is_picture(shape: tuple[int, ...]) -> bool:
    """Returns whether inputs of this shape (without the batch) are pictures: three axes, and 1 or 3 channels."""
    return len(shape) == 3 and shape[-1] in {1, 3}


@dataclass(frozen=True)
class Preprocessing:
    """The processing of a picture before its raw pixels enter the model; it is stored in the file's card."""

    resize: Resize = "crop"
