"""Provides real photos, the two of scikit-learn and parts of them, and a model that tells these parts apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

REGIONS = 6
LARGE = (4000, 3000)
SMALL = (640, 480)
CROPS = 360


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


def fitted_mobilenet(seed: int = 0) -> Any:
    """Builds MobileNetV2 1.0/224 with a random backbone, whose last layer distinguishes six regions of two photos.

    The last layer is fitted by scikit-learn's logistic regression to the features of 360 crops.
    """
    import keras
    from sklearn.linear_model import LogisticRegression

    import zoo

    keras.utils.set_random_seed(seed)
    model = zoo.build("mobilenet_v2", num_classes=REGIONS)
    head_layer = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    features = keras.Model(model.inputs, head_layer.input)
    seen = features.predict(pixels_of_crops(), batch_size=16, verbose=0).reshape(CROPS, -1)
    scale = seen.std()
    head = LogisticRegression(max_iter=3000, C=100).fit(seen / scale, [region_of(i) for i in range(CROPS)])
    head_layer.set_weights([head.coef_.T / scale, head.intercept_])
    return model


def pixels_of_crops(count: int = CROPS) -> Any:
    """Returns the crops for the last layer and for the calibration of int8, `(count, 224, 224, 3)`, float32 0..255."""
    resized = [crop(i).resize((224, 224), Image.Resampling.BILINEAR) for i in range(count)]
    return np.stack([np.asarray(image) for image in resized]).astype(np.float32)
