"""Provides real photos for measurements: the two of scikit-learn, and parts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

REGIONS = 6
LARGE = (4000, 3000)
SMALL = (640, 480)


def photo_path(name: str) -> Path:
    """Opens `china.jpg` or `flower.jpg`, 640x427."""
    import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "images" / name


def region_of(seed: int) -> int:
    """Returns the region of `crop(seed)`, 0 to 5: thirds of the first photo, then of the second."""
    return seed % REGIONS


def crop(seed: int) -> Image.Image:
    """Cuts 200x150 pixels from one of the six regions, at a place that depends on the seed."""
    rng = np.random.default_rng(seed)
    region = region_of(seed)
    with Image.open(photo_path("china.jpg" if region < 3 else "flower.jpg")) as image:
        left, top = 200 * (region % 3) + int(rng.integers(0, 40)), int(rng.integers(0, 277))
        part: Image.Image = image.crop((left, top, left + 200, top + 150))
        return part


def save_crops(folder: Path, count: int, size: tuple[int, int], *, first_seed: int = 1000) -> list[Path]:
    """Writes crops, enlarged to a camera's size, as JPEG files of quality 90."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:04}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        crop(first_seed + i).resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
    return paths
