"""Brings pictures of more than 8 bits a sample, as scanners and microscopes make them, to 0..255.

A file says how many bits a sample takes, but not how many of them its camera fills: microscopes store 12 bits in 16.
Read as 16 bits, such a picture is black. So the range of a picture is the smallest of `BITS` that holds its largest
value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

BITS = (8, 10, 12, 16)
"""Numbers of bits that cameras fill; 14 of 16 are dark, but visible, and could be a dark picture of 16 bits."""
_LOST = 1 << 4
"""Colour that Pillow has cut from 16 bits to 8 is below this where only 12 bits or fewer are filled."""


class UnfitError(ValueError):
    """The picture is sound, but its values cannot be brought to 0..255 without knowing more of them."""


def is_deep_gray(mode: str) -> bool:
    """Whether pixels of a mode of Pillow's are numbers of more than 8 bits."""
    return mode.startswith("I") or mode == "F"


def factor(image: Image.Image) -> float:
    """Returns the number that brings the values of a gray picture of more than 8 bits to 0..255.

    Values of floats up to 1 are shares of white, others are 0..255 or whole numbers of more bits.

    Raises:
        UnfitError: it has negative values, values above 16 bits, or values that are no numbers.
    """
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not 0 <= low <= high < 1 << max(BITS):
        raise UnfitError(
            f"its values go from {low:g} to {high:g}, and nothing says which of them is white; save it with 8 or 16 "
            "bits a pixel"
        )
    if image.mode == "F" and high <= 1:
        return 255.0
    bits = next(bits for bits in BITS if high < 1 << bits)
    return 255 / ((1 << bits) - 1)


def to_gray(image: Image.Image, times: float) -> Image.Image:
    """Returns a gray picture of 8 bits, its values multiplied and rounded down."""
    values: npt.NDArray[Any] = np.asarray(image, dtype=np.float64)
    # The small number makes up for products such as 128.5 * 2 that are a little too small.
    return Image.fromarray((values * times + 1e-6).clip(0, 255).astype(np.uint8))


def is_cut(image: Any) -> bool:
    """Whether a colour picture that is not decoded yet will be cut from 16 bits a sample to 8."""
    tile = getattr(image, "tile", None) or []
    return image.mode in {"RGB", "RGBA", "CMYK"} and any(";16" in str(part) for one in tile for part in one)


def require_visible(image: Image.Image) -> None:
    """Refuses a colour picture, cut from 16 bits to 8, whose samples fill 12 bits or fewer.

    Raises:
        UnfitError: nearly nothing is left of it.
    """
    highest = max(high for _, high in image.convert("RGB").getextrema())  # type: ignore[misc]
    if 0 < highest < _LOST:
        raise UnfitError(
            "its samples of 16 bits fill 12 or fewer, so that it would be black; save it with 8 bits a sample"
        )
