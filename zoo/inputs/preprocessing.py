"""The policy for resizing pictures to a model's input, which is stored in the file's card. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from zoo.errors import OptionError

Resize = Literal["crop", "pad", "stretch"]
"""How a picture is resized to the model's width and height: `crop` keeps the aspect ratio and cuts the longer side
evenly at both ends; `pad` keeps the whole picture and adds black borders; `stretch` distorts it."""


RESIZES: tuple[Resize, ...] = ("crop", "pad", "stretch")


CHANNELS = {1, 3}
"""Numbers of channels that a picture can have: gray or RGB."""


def is_picture(shape: Sequence[int | None]) -> bool:
    """Returns whether inputs of this shape (without the batch) are pictures: three axes, and 1 or 3 channels.

    All code asks this function, so that training, export and the device take the same inputs for pictures.
    """
    return len(shape) == 3 and shape[-1] in CHANNELS


def is_input_range(low: float, high: float) -> bool:
    """Whether pixels 0 and 255 can be brought to these two numbers: both finite, the lower one first."""
    return math.isfinite(low) and math.isfinite(high) and low < high


@dataclass(frozen=True)
class Preprocessing:
    """The processing of a picture before its raw pixels enter the model; it is stored in the file's card.

    Raises:
        OptionError: there is no such resize policy.
    """

    resize: Resize = "crop"

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise OptionError(f"resize={self.resize!r} is not one of {', '.join(RESIZES)}")
