"""What a file is measured with: an input and a picture that are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from zoo.errors import InputError
from zoo.runner.session import Array, TensorInfo

PHOTO_SIZE = (1920, 1080)
PHOTO_QUALITY = 90


def some_input(entry: TensorInfo) -> Array:
    """Noise as a model's input, as stored values; zeros in integers without a scale, which may be indexes.

    Raises:
        InputError: the model takes no numbers.
    """
    rng = np.random.default_rng(0)
    if entry.dtype.kind not in "fiub":
        raise InputError(
            f"input {entry.name!r} is of type {entry.dtype}; only models that take numbers can be measured"
        )
    if entry.dtype.kind == "f":
        # In the range of pixels, which suits a model of sensor values as well.
        return rng.uniform(0, 255, entry.shape).astype(entry.dtype)
    if entry.scale or entry.dtype == np.uint8:
        limits = np.iinfo(entry.dtype)
        return rng.integers(limits.min, limits.max, entry.shape, entry.dtype, endpoint=True)
    return np.zeros(entry.shape, entry.dtype)


def save_photo(path: Path) -> None:
    """Writes a JPEG that decodes like a photo: coarse shapes, finer ones on them, and a sensor's noise.

    `PHOTO_SIZE` pixels, quality `PHOTO_QUALITY`, chroma halved both ways as cameras do.
    """
    rng = np.random.default_rng(0)
    width, height = PHOTO_SIZE
    scene = np.full((height, width, 3), 128, np.float32)
    for cells in (4, 16, 64, 256):
        noise = rng.integers(0, 256, (cells * height // width + 1, cells, 3), np.uint8)
        layer = Image.fromarray(noise).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
        # The contrast of natural scenes falls with the square root of the fineness or faster.
        scene += (np.asarray(layer, np.float32) - 128) * (2 / cells) ** 0.5
    scene += rng.normal(0, 5, scene.shape)
    Image.fromarray(scene.clip(0, 255).astype(np.uint8)).save(path, "JPEG", quality=PHOTO_QUALITY, subsampling="4:2:0")
