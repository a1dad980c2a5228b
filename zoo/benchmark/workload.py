"""The input and the picture that files are measured with; they are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from zoo.errors import InputError
from zoo.runner.loading.session import Array, TensorInfo

PHOTO_SIZE = (1920, 1080)
PHOTO_QUALITY = 90


def some_input(entry: TensorInfo) -> Array:
    """Returns noise as stored values for a model's input; zeros for integers without a scale, which may be indexes.

    Raises:
        InputError: the model takes no numbers.
    """
    rng = np.random.default_rng(0)
    if entry.dtype.kind not in "fiub":
        raise InputError(
            f"input {entry.name!r} is of type {entry.dtype}; only models that take numbers can be measured"
        )
    if entry.dtype.kind == "f":
        # The range of pixels suits models of sensor values, too.
        return rng.uniform(0, 255, entry.shape).astype(entry.dtype)
    if entry.scale or entry.dtype == np.uint8:
        limits = np.iinfo(entry.dtype)
        return rng.integers(limits.min, limits.max, entry.shape, entry.dtype, endpoint=True)
    return np.zeros(entry.shape, entry.dtype)


def save_photo(path: Path) -> None:
    """Writes a JPEG that takes as long to decode as a photo: with coarse and fine shapes, and the noise of a sensor.

    It has `PHOTO_SIZE` pixels, the quality `PHOTO_QUALITY`, and half the chroma resolution in both directions, as
    cameras use.
    """
    rng = np.random.default_rng(0)
    width, height = PHOTO_SIZE
    scene = np.full((height, width, 3), 128, np.float32)
    for cells in (4, 16, 64, 256):
        noise = rng.integers(0, 256, (cells * height // width + 1, cells, 3), np.uint8)
        layer = Image.fromarray(noise).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
        # In natural scenes, contrast falls with the square root of the fineness or faster.
        scene += (np.asarray(layer, np.float32) - 128) * (2 / cells) ** 0.5
    scene += rng.normal(0, 5, scene.shape)
    Image.fromarray(scene.clip(0, 255).astype(np.uint8)).save(path, "JPEG", quality=PHOTO_QUALITY, subsampling="4:2:0")
