"""Names the ways in which pixels are prepared for models, for `--pixels`, `pixels=` and the facts of architectures.

This module needs only the standard library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from zoo.errors import OptionError
from zoo.published import MINUS_1_TO_1, Preparation

IMAGENET_MEAN = (123.68, 116.779, 103.939)
"""Mean red, green and blue of ImageNet's training pictures, as Caffe's models and their descendants subtract it."""
_TORCH_MEAN, _TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BGR = (2, 1, 0)

CAFFE = Preparation(offset=tuple(-mean for mean in reversed(IMAGENET_MEAN)), order=_BGR)
TORCH = Preparation(
    tuple(1 / (255 * std) for std in _TORCH_STD),
    tuple(-mean / std for mean, std in zip(_TORCH_MEAN, _TORCH_STD, strict=True)),
)
NAMED = {"tf": MINUS_1_TO_1, "caffe": CAFFE, "torch": TORCH}
"""The ways of keras.applications: to -1..1; blue first, less the mean; less the mean, divided by the deviation."""

ALLOWED = (
    f"{', '.join(NAMED)}, a range such as 0,1, or mean=R,G,B and std=R,G,B of pixels 0..255, joined by colons, with "
    "bgr for blue first (mean=123.68,116.779,103.939:bgr)"
)


def preparation(words: str | Sequence[float] | Preparation) -> Preparation:
    """Returns a preparation of RGB pixels as a user names it.

    Args:
        words: `tf`, `caffe` or `torch`; a range `LOW,HIGH`, or its two ends as numbers; `mean=R,G,B`, `std=R,G,B` and
            `bgr` joined by colons, or some of them. A single number of `mean` or `std` counts for all channels. A model
            then takes `(pixel - mean) / std`, red first unless `bgr` is said. Or a finished preparation.

    Raises:
        OptionError: the words are none of these.
    """
    if isinstance(words, Preparation):
        return words
    if not isinstance(words, str):
        try:
            words = ",".join(str(float(end)) for end in words)
        except (TypeError, ValueError):
            raise _refused(words) from None
    if words in NAMED:
        return NAMED[words]
    parts = words.split(":")
    order = _BGR if "bgr" in parts else (0, 1, 2)
    rest = [part for part in parts if part != "bgr"]
    if len(parts) - len(rest) > 1:
        raise _refused(words)
    if len(rest) == 1 and "=" not in rest[0]:
        low, high = _numbers(rest[0], (2,), words)
        if not low < high:
            raise _refused(words)
        return Preparation(((high - low) / 255,) * 3, (low,) * 3, order)
    values: dict[str, tuple[float, ...]] = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    for part in rest:
        name, _, numbers = part.partition("=")
        if name not in values or len(re.findall(rf"(?:^|:){name}=", words)) > 1:
            raise _refused(words)
        found = _numbers(numbers, (1, 3), words)
        values[name] = (found[0], found[1], found[2]) if len(found) == 3 else (found[0],) * 3
    if min(values["std"]) <= 0:
        raise _refused(words)
    scale = [1 / values["std"][channel] for channel in order]
    return Preparation(tuple(scale), tuple(-values["mean"][c] * s for c, s in zip(order, scale, strict=True)), order)


def _numbers(text: str, counts: tuple[int, ...], words: str) -> list[float]:
    """Reads numbers that are separated by commas."""
    try:
        found = [float(number) for number in text.split(",")]
    except ValueError:
        raise _refused(words) from None
    if len(found) not in counts or not all(map(math.isfinite, found)):
        raise _refused(words)
    return found


def _refused(words: object) -> OptionError:
    return OptionError(f"pixels={words!r} is not allowed; give {ALLOWED}")
