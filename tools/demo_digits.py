"""Provides a small set of real data for demonstrations: scikit-learn's handwritten digits, as PNG files.

They are the test part of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49 (CC BY 4.0): 8x8 pixels of 0..16, enlarged here to the 28x28 pixels of
0..255 that LeNet takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SIZE = 28
HELD_OUT = 500
"""Number of held-out pictures at the beginning of `digits()`; the rest are for training."""


def digits() -> tuple[Any, Any]:
    """Returns all pictures, `(1797, 28, 28)` uint8, and the digit on each, in a shuffled order."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    order = np.random.default_rng(0).permutation(len(raw.target))
    small = (raw.images * (255 / 16)).round().astype(np.uint8)
    large = [Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for picture in small]
    return np.stack([np.asarray(picture) for picture in large])[order], raw.target[order]


def save(pictures: Any, truth: Any, folder: Path, per_class: int | None = None) -> None:
    """Writes pictures into class folders, at most `count` of each class."""
    for digit, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for i, picture in enumerate(pictures[truth == digit][:per_class]):
            Image.fromarray(picture).save(folder / label / f"{i:03}.png", optimize=True)
