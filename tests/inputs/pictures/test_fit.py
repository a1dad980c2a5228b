"""The resize as a value: mapping a point to the model's input and back is the identity, and agrees with the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zoo.inputs.pictures.fit import fit
from zoo.inputs.pictures.images import read_picture
from zoo.inputs.preprocessing import RESIZES, Preprocessing, Resize

sides = st.integers(1, 5000)
model_sides = st.integers(1, 640)
shares = st.floats(0, 1)


@given(
    sides, sides, model_sides, model_sides, st.sampled_from(RESIZES), st.lists(st.tuples(shares, shares), min_size=1)
)
def test_there_and_back_is_the_identity(
    width: int, height: int, to_width: int, to_height: int, resize: Resize, inside: list[tuple[float, float]]
) -> None:
    how = fit((width, height), (to_width, to_height), resize)
    corner, size = np.array(how.seen[:2]), np.array([how.seen.width, how.seen.height])
    points = corner + np.array(inside) * size
    there = how.to_model(points)
    np.testing.assert_allclose(how.to_picture(there), points, atol=1e-6 * max(width, height))
    # The visible part is inside the model's input, and inside the picture.
    assert (there >= -1e-6).all()
    assert (there <= np.array([to_width, to_height]) * (1 + 1e-9) + 1e-6).all()
    assert (np.array(how.seen[:2]) >= -1e-9).all()
    assert how.seen.right <= width * (1 + 1e-9)
    assert how.seen.bottom <= height * (1 + 1e-9)
    # A box is mapped like its two corners.
    boxes = np.concatenate([points, points[::-1]], axis=1)
    np.testing.assert_allclose(how.to_model(boxes)[:, 2:], there[::-1])


@given(sides, sides, model_sides)
def test_crop_and_pad_keep_the_aspect_ratio(width: int, height: int, side: int) -> None:
    crop = fit((width, height), (side, side), "crop")
    assert crop.seen.width == pytest.approx(crop.seen.height)
    # A padded picture begins at a whole pixel.
    pad = fit((width, height), (side, side), "pad")
    assert pad.placed.width == pytest.approx(min(side, side * width / height), abs=1)
    assert pad.placed.height == pytest.approx(min(side, side * height / width), abs=1)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [(400, 300), (300, 400), (1601, 1203)])
@pytest.mark.parametrize("orientation", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_spot_is_found_where_the_fit_says(
    tmp_path: Path, resize: Resize, size: tuple[int, int], orientation: int, suffix: str
) -> None:
    """The place of a white spot in the model's input is mapped back to its place in the upright photo."""
    upright = Image.new("RGB", size)
    box = (round(0.45 * size[0]), round(0.55 * size[1]), round(0.6 * size[0]), round(0.7 * size[1]))
    upright.paste((255, 255, 255), box)
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    (upright.transpose(undo) if undo is not None else upright).save(path, exif=exif)
    pixels, how = read_picture(path, 96, 64, preprocessing=Preprocessing(resize))
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    found = how.to_picture(np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]))
    pixel = max(how.seen.width / how.placed.width, how.seen.height / how.placed.height)
    np.testing.assert_allclose(found, box, atol=pixel)


@pytest.mark.parametrize(
    ("size", "into", "resize", "seen", "placed"),
    [
        ((400, 300), (100, 100), "stretch", (0, 0, 400, 300), (0, 0, 100, 100)),
        ((400, 300), (100, 100), "crop", (50, 0, 350, 300), (0, 0, 100, 100)),
        ((300, 400), (100, 50), "crop", (0, 125, 300, 275), (0, 0, 100, 50)),
        ((400, 300), (100, 100), "pad", (0, 0, 400, 300), (0, 12, 100, 87)),
        ((300, 400), (100, 100), "pad", (0, 0, 300, 400), (12, 0, 87, 100)),
        ((5000, 1), (10, 10), "pad", (0, 0, 5000, 1), (0, 4, 10, 5)),
        ((1, 5000), (10, 10), "pad", (0, 0, 1, 5000), (4, 0, 5, 10)),
    ],
)
def test_the_part_that_is_seen_and_its_place(
    size: tuple[int, int], into: tuple[int, int], resize: Resize, seen: tuple[int, ...], placed: tuple[int, ...]
) -> None:
    how = fit(size, into, resize)
    assert (tuple(how.seen), tuple(how.placed)) == (seen, placed)
    assert how.size == size
