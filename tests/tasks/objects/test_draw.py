from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.inputs.boxes import Boxes
from zoo.inputs.pictures.fit import Box
from zoo.tasks.objects.answer import Detection
from zoo.tasks.objects.compared import PictureFigures
from zoo.tasks.objects.draw import MOST_SIDE, colour, crop, drawn, drawn_beside_truth


def changed(picture: Image.Image, found: list[Detection]) -> np.ndarray:
    """Which pixels are drawn over, `(height, width)`."""
    different = np.asarray(drawn(picture, found)) != np.asarray(picture.convert("RGB"))
    return np.asarray(different.any(axis=-1))


@pytest.mark.parametrize("size", [(8, 8), (60, 40), (640, 480), (3000, 2000), (40, 3000)])
def test_a_box_and_its_name_are_drawn_at_any_size(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (90, 90, 90))
    across, down = size
    one = Detection("dog", 0, 0.9, Box(0.3 * across, 0.4 * down, 0.7 * across, 0.8 * down))
    marks = changed(picture, [one])
    rows, _ = np.nonzero(marks)
    # The box's corners are there, and its middle stays as it was.
    assert marks[round(0.8 * down) - 1, round(0.7 * across) - 1]
    if min(size) > 100:
        assert not marks[round(0.6 * down), round(0.5 * across)]
        # The name stands above the box, at least 11 pixels high.
        assert round(0.4 * down) - rows.min() >= 11
    assert picture.getpixel((0, 0)) == (90, 90, 90)


@pytest.mark.parametrize("box", [Box(0, 0, 30, 30), Box(190, 0, 200, 200), Box(0, 190, 5, 200), Box(0, 0, 200, 200)])
def test_a_name_is_inside_of_the_picture_wherever_the_box_is(box: Box) -> None:
    picture = Image.new("RGB", (200, 200), (90, 90, 90))
    with_name = changed(picture, [Detection("coffee cup", 0, 0.9, box)])
    # A plate of the class's colour with letters of another: far more than the lines of the box alone.
    plate = (np.asarray(drawn(picture, [Detection("coffee cup", 0, 0.9, box)])) == colour(0)).all(axis=-1)
    assert plate.sum() > 500
    assert with_name.sum() > plate.sum()


def test_classes_have_colours_of_their_own() -> None:
    assert len({colour(index) for index in range(80)}) == 80


def test_names_that_hide_something_or_are_long_are_drawn_short() -> None:
    picture = Image.new("L", (300, 200), 90)
    made = drawn(picture, [Detection("a\u202eb" + "x" * 500, 0, 0.9, Box(10, 50, 100, 100))])
    assert (made.mode, made.size) == ("RGB", (300, 200))


def test_a_part_is_what_the_box_holds_and_at_least_a_pixel() -> None:
    picture = Image.new("RGB", (20, 10))
    assert crop(picture, Box(2.5, 3.2, 6.1, 7)).size == (5, 4)
    assert crop(picture, Box(19.99, 9.99, 20, 10)).size == (1, 1)
    assert crop(picture, Box(20, 10, 20, 10)).size == (1, 1)
    assert crop(picture, Box(-5, -5, 50, 50)).size == (20, 10)


@pytest.mark.parametrize(
    ("size", "times"), [((100, 50), 8), ((2, 1500), 2), ((3000, 1), 1), ((1, 1), 400), ((1, 60000), 1)]
)
def test_a_small_picture_is_enlarged_as_far_as_its_longer_side_allows(size: tuple[int, int], times: int) -> None:
    truth = Boxes(("dog",), np.array([[0, 0, *size]]))
    found = Detection("dog", 0, 0.9, Box(0, 0, *size))
    made = drawn_beside_truth(Image.new("RGB", size), PictureFigures(Path("a.png"), truth, (True,), (found,), (True,)))
    assert made.width == times * size[0]
    assert made.height > times * size[1]  # the legend
    assert times == 1 or max(times * side for side in size) <= MOST_SIDE
