from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.boxes import Boxes, Changes, change
from zoo.data.boxes.augment import mirrored, moved, seen_through
from zoo.errors import OptionError
from zoo.inputs.pictures.fit import Box

SEEDS = st.integers(0, 2**32)
GEOMETRY = Changes(mirror=0.5, crop=0.5, least=0.3, shape=2.0, zoom_out=0.4, most=2.5)


def scene(side: int = 48) -> tuple[npt.NDArray[Any], Boxes]:
    """A black picture with one rectangle each of red, green and blue, and their boxes."""
    pixels = np.zeros((side, 2 * side, 3), np.uint8)
    boxes = []
    for channel, (left, top, right, bottom) in enumerate(((4, 6, 30, 20), (40, 10, 60, 44), (70, 30, 92, 46))):
        pixels[top:bottom, left:right, channel] = 255
        boxes.append((left, top, right, bottom))
    return pixels, Boxes(("r", "g", "b"), np.array(boxes, np.float64))


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_box_goes_where_its_pixels_go(seed: int) -> None:
    pixels, boxes = scene()
    changed, found = change(pixels, boxes, GEOMETRY, np.random.default_rng(seed))
    assert changed.shape == pixels.shape
    assert changed.dtype == np.uint8
    for label, (left, top, right, bottom) in zip(found.labels, found.boxes, strict=True):
        channel = changed[..., "rgb".index(label)].astype(int)
        # What fills the surroundings has all channels; an object has its own alone.
        others = np.delete(changed, "rgb".index(label), axis=2).max(axis=2)
        rows, columns = np.nonzero((channel > 127) & (others < 64))
        assert abs(columns.min() - left) <= 1.6
        assert abs(rows.min() - top) <= 1.6
        assert abs(columns.max() + 1 - right) <= 1.6
        assert abs(rows.max() + 1 - bottom) <= 1.6


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_boxes_lie_inside_and_some_object_stays(seed: int) -> None:
    pixels, boxes = scene()
    found = change(pixels, boxes, Changes.of("standard"), np.random.default_rng(seed))[1]
    assert len(found) >= 1
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [96, 48, 96, 48]).all()
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_the_same_generator_makes_the_same_changes(seed: int) -> None:
    pixels, boxes = scene()
    one, other = (change(pixels, boxes, Changes.of("standard"), np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1].boxes, other[1].boxes)


def test_an_object_counts_where_its_centre_is_in_sight() -> None:
    boxes = Boxes(("in", "out"), np.array([[0, 0, 22, 10], [0, 0, 18, 10]], np.float64))
    found = moved(boxes, Box(10, 0, 30, 20), (40, 40))
    assert found.labels == ("in",)
    np.testing.assert_allclose(found.boxes, [[0, 0, 24, 20]])


def test_an_object_counts_where_a_quarter_of_it_is_in_sight() -> None:
    boxes = Boxes(("whole", "parts"), np.array([[4, 4, 16, 16], [0, 0, 20, 20]], np.float64))
    assert moved(boxes, Box(5, 5, 15, 15), (10, 10)).labels == ("whole", "parts")
    assert moved(boxes, Box(5.1, 5.1, 15, 15), (10, 10)).labels == ("whole",)


def test_a_picture_in_a_larger_one_stands_on_its_mean_colour() -> None:
    pixels = np.full((10, 10, 3), (200, 100, 50), np.uint8)
    pixels[:5] = (100, 0, 50)
    seen = seen_through(pixels, Box(-10, 0, 10, 20))
    assert seen[9, 9].tolist() == seen[0, 0].tolist() == [150, 50, 50]
    assert seen[0, 9].tolist() == [100, 0, 50]
    assert seen[4, 5].tolist() == [200, 100, 50]


def test_mirrored_twice_is_as_before() -> None:
    _, boxes = scene()
    np.testing.assert_allclose(mirrored(mirrored(boxes, 96), 96).boxes, boxes.boxes)
    np.testing.assert_allclose(mirrored(boxes, 96).boxes[0], [66, 6, 92, 20])


def test_gray_pictures_and_pictures_without_objects_are_changed_too() -> None:
    pixels = scene()[0][..., :1]
    nothing = Boxes((), np.zeros((0, 4)))
    results = [change(pixels, nothing, Changes.of("standard"), np.random.default_rng(seed)) for seed in range(20)]
    assert {changed.shape for changed, _ in results} == {pixels.shape}
    assert len({changed.tobytes() for changed, _ in results}) == 20
    assert all(len(boxes) == 0 for _, boxes in results)


def test_presets() -> None:
    pixels, boxes = scene()
    same, theirs = change(pixels, boxes, Changes.of("none"), np.random.default_rng(0))
    np.testing.assert_array_equal(same, pixels)
    np.testing.assert_array_equal(theirs.boxes, boxes.boxes)
    # Writing stays readable: it is never mirrored.
    assert Changes.of("light").mirror == 0
    assert Changes.of("no-flip") == dataclasses.replace(Changes.of("standard"), mirror=0)
    with pytest.raises(OptionError, match="augment='much' is not one of none, light, no-flip, standard"):
        Changes.of("much")  # type: ignore[arg-type]


def test_colours_change_and_boxes_do_not() -> None:
    pixels, boxes = scene()
    photometric = Changes(brightness=0.2, contrast=0.3, saturation=0.5)
    changed, found = change(pixels, boxes, photometric, np.random.default_rng(3))
    assert (changed != pixels).any()
    np.testing.assert_array_equal(found.boxes, boxes.boxes)


def test_colours_are_changed_as_they_are_named() -> None:
    pixels = np.random.default_rng(0).integers(60, 180, (6, 8, 3), np.uint8)
    nothing = Boxes((), np.zeros((0, 4)))
    seed = 7

    def changed(**what: float) -> npt.NDArray[Any]:
        found = change(pixels, nothing, Changes(**what), np.random.default_rng(seed))[0]
        assert (found != pixels).any()
        return found.astype(np.float64)

    lighter = changed(brightness=0.1) - pixels
    assert lighter.max() - lighter.min() <= 1
    steeper = changed(contrast=0.3)
    assert abs(steeper.mean() - pixels.mean()) < 1
    assert abs(np.corrcoef(steeper.ravel(), pixels.ravel())[0, 1]) > 0.99
    gray = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(changed(saturation=0.4) @ gray, pixels @ gray, atol=1)
    tinted = changed(tint=0.1) / pixels
    assert np.ptp(tinted, axis=(0, 1)).max() < 0.02
    assert np.ptp(tinted.mean(axis=(0, 1))) > 0.01
