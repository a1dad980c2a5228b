"""Pictures are scaled to the same values on every version of Pillow: to the new width first, then to the new height."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.inputs.pictures.fit import Box
from zoo.inputs.pictures.scaling import scaled
from zoo.runner import load_image

BITS = 22
"""The bits of a weight's fraction."""
Numbers = npt.NDArray[np.int64]


def along_rows(pixels: Numbers, start: float, end: float, count: int) -> Numbers:
    """Scales the second axis as Pillow's documentation and source have it, with no code of Pillow's."""
    size = pixels.shape[1]
    start, end = float(np.float32(start)), float(np.float32(end))
    scale = float(np.float32(end - start)) / count
    reach = max(scale, 1.0)
    columns = []
    for at in range(count):
        middle = start + (at + 0.5) * scale
        first = max(0, int(middle - reach + 0.5))
        last = min(size, int(middle + reach + 0.5))
        shares = [max(0.0, 1 - abs((place - middle + 0.5) / reach)) for place in range(first, last)]
        total = sum(shares)
        weights = np.array([int(0.5 + share / total * (1 << BITS)) for share in shares], np.int64)
        summed = (pixels[:, first:last] * weights[np.newaxis, :, np.newaxis]).sum(axis=1)
        columns.append(((summed + (1 << (BITS - 1))) >> BITS).clip(0, 255))
    return np.stack(columns, axis=1)


def reference(pixels: npt.NDArray[np.uint8], size: tuple[int, int], seen: Box) -> Numbers:
    across = along_rows(pixels.astype(np.int64), seen.left, seen.right, size[0])
    found: Numbers = along_rows(across.transpose(1, 0, 2), seen.top, seen.bottom, size[1]).transpose(1, 0, 2)
    return found


@settings(deadline=None, max_examples=60)
@given(
    across=st.integers(1, 60),
    down=st.integers(1, 200),
    wide=st.integers(1, 24),
    high=st.integers(1, 24),
    cut=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
)
def test_the_width_comes_first_whatever_the_shape(
    across: int, down: int, wide: int, high: int, cut: tuple[float, float]
) -> None:
    pixels = np.random.default_rng(across * down).integers(0, 256, (down, across, 3), np.uint8)
    left, top = across * cut[0], down * cut[1]
    seen = Box(left, top, across - left, down - top)
    ours = np.asarray(scaled(Image.fromarray(pixels), (wide, high), seen))
    np.testing.assert_array_equal(ours, reference(pixels, (wide, high), seen))


@pytest.mark.parametrize("size", [(40, 400), (400, 40), (24, 24), (24, 90)])
def test_a_tall_photo_is_read_as_on_every_other_machine(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    square = min(size)
    left, top = (size[0] - square) / 2, (size[1] - square) / 2
    expected = reference(pixels, (24, 24), Box(left, top, left + square, top + square))
    np.testing.assert_array_equal(load_image(Image.fromarray(pixels), 24, 24), expected)


def test_without_a_part_the_whole_picture_is_scaled() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (30, 20, 3), np.uint8)
    for size in ((7, 9), (20, 9), (7, 30), (20, 30)):
        found = np.asarray(scaled(Image.fromarray(pixels), size))
        np.testing.assert_array_equal(found, reference(pixels, size, Box(0, 0, 20, 30)))


def test_a_part_as_wide_as_the_result_is_cut_out_at_its_own_place() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (8, 20, 3), np.uint8)
    for left in (0, 1, 10):
        found = np.asarray(scaled(Image.fromarray(pixels), (10, 8), Box(left, 0, left + 10, 8)))
        np.testing.assert_array_equal(found, pixels[:, left : left + 10])


def test_all_but_the_first_columns_are_scaled_to_the_whole_width() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (8, 20, 3), np.uint8)
    for seen in (Box(1, 0, 20, 8), Box(0, 0, 19, 8)):
        found = np.asarray(scaled(Image.fromarray(pixels), (20, 8), seen))
        np.testing.assert_array_equal(found, reference(pixels, (20, 8), seen))
