from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import zoo
from zoo.data import augmentation, load_folder
from zoo.data.augment import AUGMENTS, apply
from zoo.errors import OptionError
from zoo.runner import load_image

Array = npt.NDArray[Any]


def augmented(preset: Any, images: Array, *stamp: int) -> Array:
    import tensorflow as tf

    changed = apply(augmentation(preset), tf.constant(images), tf.constant(stamp or (0, 0), tf.int64))
    return np.asarray(changed)


@pytest.fixture
def images(photos: tuple[Path, Path]) -> Array:
    """Returns eight copies of a photo that contains black and white."""
    photo = load_image(photos[0], 48, 32).copy()
    photo[:4], photo[-4:] = 0, 255
    return np.repeat(photo[None], 8, axis=0).astype(np.float32)


@pytest.mark.parametrize("preset", ["light", "standard"])
def test_presets_change_each_picture_and_stay_pixels(preset: Any, images: Array) -> None:
    changed = augmented(preset, images)
    assert (changed.shape, changed.dtype.name) == (images.shape, "float32")
    assert changed.min() >= 0
    assert changed.max() <= 255
    # Each copy becomes another picture, which still resembles the photo and is not scaled to 0..1.
    assert len({image.tobytes() for image in changed}) == 8
    assert (np.abs(changed - images).mean(axis=(1, 2, 3)) > 0.5).all()
    assert (np.abs(changed.mean(axis=(1, 2, 3)) - images.mean(axis=(1, 2, 3))) < 64).all()


def test_the_preset_none_changes_nothing(images: Array) -> None:
    assert augmentation("none") == []
    np.testing.assert_array_equal(augmented("none", images), images)


def test_light_mirrors_nothing() -> None:
    """A digit stays the same digit: its left side stays on the left."""
    left = np.zeros((64, 32, 32, 1), np.float32)
    left[:, :, :8] = 255
    for preset, mirrors in (("light", False), ("standard", True)):
        changed = augmented(preset, left)
        swapped = changed[:, :, 16:].mean(axis=(1, 2, 3)) > changed[:, :, :16].mean(axis=(1, 2, 3))
        assert swapped.any() == mirrors


def test_the_stamp_decides(images: Array) -> None:
    one, same, other = (augmented("standard", images, *stamp) for stamp in ((3, 1), (3, 1), (3, 2)))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.slow
def test_it_is_for_training_only(pictures: Path) -> None:
    plain, changed = (load_folder(pictures, 16, augment=augment) for augment in ("none", "standard"))
    for (a, _), (b, _) in zip(plain.validation, changed.validation, strict=True):  # type: ignore[arg-type]
        np.testing.assert_array_equal(a, b)
    # Neither the kept pixels nor those for calibration are augmented.
    for _ in changed.train:
        pass
    np.testing.assert_array_equal(plain.sample(100), changed.sample(100))


def test_an_unknown_preset() -> None:
    with pytest.raises(OptionError, match="augment='mild' is not one of none, light, no-flip, standard"):
        augmentation("mild")  # type: ignore[arg-type]
    assert AUGMENTS == ("none", "light", "no-flip", "standard")
    assert zoo.load_folder is load_folder
