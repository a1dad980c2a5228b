"""The policy for resizing pictures to a model's input, which is stored in the file's card. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from zoo.errors import OptionError

if TYPE_CHECKING:
    import numpy.typing as npt

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


ChannelAxis = Literal["last", "first", "none"]
"""Where an input has its channel axis; `none` means a gray picture of two axes."""

LEAST_SIDE = 8
"""The smallest height and width, in pixels, of an input that is taken for a picture by its shape alone."""


class PictureShape(NamedTuple):
    """The height, width and channels of an input that takes pictures, and the order of its axes."""

    height: int
    width: int
    channels: int
    channel_axis: ChannelAxis = "last"

    def arrange(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns pixels `(height, width, channels)` in the order of the input's axes."""
        if self.channel_axis == "first":
            pixels = pixels.transpose(2, 0, 1)
        elif self.channel_axis == "none":
            pixels = pixels[..., 0]
        return pixels


def picture_shape(shape: tuple[int, ...]) -> PictureShape | None:
    """Returns how an input of this shape (without the batch) takes pictures; None if it takes none.

    Most files have the channels last. Those converted from PyTorch may have them first, and a net for gray pictures may
    have no channel axis: two equal axes count as such a picture, others as values, such as windows of a sensor.
    """
    if is_picture(shape):
        return PictureShape(shape[0], shape[1], shape[2])
    if len(shape) == 3 and shape[0] in {1, 3} and min(shape[1:]) >= LEAST_SIDE:
        return PictureShape(shape[1], shape[2], shape[0], "first")
    if len(shape) == 2 and shape[0] == shape[1] >= LEAST_SIDE:
        return PictureShape(shape[0], shape[1], 1, "none")
    return None


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
