from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.tasks.objects.anchors import COVERED, cover, default_shapes, fit
from zoo.tasks.objects.boxes import make_anchors, overlaps

STRIDES = (16, 32, 64, 128)
side = st.floats(0.01, 1.0)
size = st.tuples(side, side)


def grids_for(input_size: int, strides: Sequence[int]) -> list[tuple[int, int]]:
    """Rows and columns of the levels of a model with a square input."""
    return [(-(-input_size // stride),) * 2 for stride in strides]


def at_random(sizes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    centres = random.uniform(size=(len(sizes), 2)) * (1 - sizes[:, ::-1]) + sizes[:, ::-1] / 2
    return np.concatenate((centres - sizes[:, ::-1] / 2, centres + sizes[:, ::-1] / 2), axis=1)


@settings(deadline=None, max_examples=40)
@given(st.lists(size, min_size=0, max_size=60), st.sampled_from([96, 224, 320]))
def test_any_boxes_get_anchors(sizes: list[tuple[float, float]], input_size: int) -> None:
    grids = grids_for(input_size, STRIDES)
    shapes = fit(np.array(sizes).reshape(-1, 2), grids)
    assert [len(level) for level in shapes] == [4] * 4
    flat = np.array(shapes)
    assert np.isfinite(flat).all()
    assert (flat > 0).all()
    assert fit(np.array(sizes).reshape(-1, 2), grids) == shapes


def test_fitted_anchors_cover_more_than_the_default_ones() -> None:
    random = np.random.default_rng(0)
    # Small upright boxes, as of digits or of people far away.
    sizes = np.stack((random.uniform(0.1, 0.2, 400), random.uniform(0.04, 0.08, 400)), axis=1)
    boxes, grids = at_random(sizes, random), grids_for(320, (8, *STRIDES))
    fitted = float((cover(boxes, grids, fit(sizes, grids)) >= 0.5).mean())
    default = float((cover(boxes, grids, default_shapes(5)) >= 0.5).mean())
    assert COVERED == 0.5  # of the paper, section 2.2
    assert fitted > 0.95
    assert fitted > default + 0.1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(size, st.integers(0, 1000)), min_size=1, max_size=20))
def test_the_cover_is_that_of_all_anchors(entries: list[tuple[tuple[float, float], int]]) -> None:
    sizes = np.array([entry[0] for entry in entries])
    boxes = at_random(sizes, np.random.default_rng([entry[1] for entry in entries]))
    grids = grids_for(128, (16, 32))
    shapes = [[(0.2, 0.1), (0.15, 0.3)], [(0.5, 0.5), (0.9, 0.3)]]
    y, x, height, width = make_anchors(grids, shapes).T
    anchors = np.stack((x - width / 2, y - height / 2, x + width / 2, y + height / 2), axis=1)
    np.testing.assert_allclose(cover(boxes, grids, shapes), overlaps(boxes, anchors).max(axis=1), atol=1e-6)


def test_a_box_belongs_to_the_level_whose_cells_are_near_each_other() -> None:
    grids = grids_for(320, STRIDES)
    # Boxes of 2.5 strides of the second level: they are its own, and all others keep their default anchors.
    sizes = np.full((50, 2), 2.5 * 32 / 320 + 1e-6)
    shapes = fit(sizes, grids)
    np.testing.assert_allclose(shapes[1], 0.25, atol=1e-5)
    np.testing.assert_allclose(shapes[0][0], 4 * 16 / 320)
    np.testing.assert_allclose(shapes[2][0], 4 * 64 / 320)


def test_the_default_shapes_are_those_of_the_papers_rule() -> None:
    # Two levels from 0.2 to 0.8: three ratios, and a square between this scale and the next, 1 behind the last.
    (first, last) = default_shapes(2, lowest=0.2, highest=0.8)
    np.testing.assert_allclose(
        first, [(0.2, 0.2), (0.2 / 2**0.5, 0.2 * 2**0.5), (0.2 * 2**0.5, 0.2 / 2**0.5), (0.4, 0.4)]
    )
    assert last[0] == pytest.approx((0.8, 0.8))
    assert last[3] == pytest.approx((0.8**0.5, 0.8**0.5))
    scales = [level[0][0] for level in default_shapes(6)]
    assert scales == pytest.approx([0.15, 0.28, 0.41, 0.54, 0.67, 0.8])


def test_the_usual_anchors_of_a_level_without_boxes() -> None:
    (level,) = fit(np.empty((0, 2)), [(10, 10)], per_cell=6)
    side = 4 / 10
    squares = [(side * 2 ** (n / 2),) * 2 for n in (1, 2, 3)]
    halves = [(side / 2**0.5, side * 2**0.5), (side * 2**0.5, side / 2**0.5)]
    np.testing.assert_allclose(level, [(side, side), *halves, *squares])
    np.testing.assert_allclose(fit(np.empty((0, 2)), [(10, 10)], per_cell=1), [[(side, side)]])
    assert len(fit(np.empty((0, 2)), [(10, 10)], per_cell=4)[0]) == 4


def test_a_level_with_as_many_boxes_as_anchors_fits_them_exactly_and_with_fewer_does_not() -> None:
    sizes = np.array([[0.5, 0.5], [0.4, 0.8], [0.9, 0.3], [0.7, 0.7]])
    (level,) = fit(sizes, [(4, 4)])
    np.testing.assert_allclose(level, [(0.5, 0.5), (0.9, 0.3), (0.4, 0.8), (0.7, 0.7)])
    assert fit(sizes[:3], [(4, 4)])[0][0] == pytest.approx((1.0, 1.0))
    # Boxes without an area are none.
    assert fit(np.concatenate((sizes[:3], [[0.5, 0.0]])), [(4, 4)])[0][0] == pytest.approx((1.0, 1.0))


def test_equal_boxes_give_equal_anchors() -> None:
    (level,) = fit(np.full((40, 2), 0.6), [(4, 4)])
    np.testing.assert_allclose(level, [(0.6, 0.6)] * 4)


def test_a_level_has_its_own_anchors_from_three_in_a_hundred_boxes() -> None:
    large, small = np.full((400, 2), 0.9), np.full((12, 2), 0.26)
    grids = [(10, 10), (3, 3)]
    usual = fit(np.empty((0, 2)), grids)[0]
    np.testing.assert_allclose(fit(np.concatenate((large[:388], small)), grids)[0], [(0.26, 0.26)] * 4)
    assert fit(np.concatenate((large, small[:11])), grids)[0] == usual


def test_anchors_are_the_means_of_the_boxes_that_are_nearest_to_them() -> None:
    """What the search begins with are boxes; it has to go on to the middle of each group."""
    small, large = np.array([[0.2, 0.3], [0.22, 0.3], [0.24, 0.36]]), np.array([[0.9, 0.8], [0.8, 0.9]])
    (level,) = fit(np.concatenate((small, large)), [(20, 20)], per_cell=2)
    np.testing.assert_allclose(level, [(0.22, 0.32), (0.85, 0.85)])
    (one,) = fit(small, [(20, 20)], per_cell=1)
    np.testing.assert_allclose(one, [(0.22, 0.32)])


@pytest.mark.parametrize("seed", range(5))
def test_the_search_begins_with_boxes_that_are_far_from_each_other(seed: int) -> None:
    """Two boxes chosen among three hundred would hardly ever be one of each kind."""
    many, single = np.full((300, 2), 0.9), np.array([[0.3, 0.6]])
    (level,) = fit(np.concatenate((many, single)), [(20, 20)], per_cell=2, seed=seed)
    np.testing.assert_allclose(level, [(0.3, 0.6), (0.9, 0.9)])


def test_a_box_at_the_edge_of_the_picture_is_covered_by_the_last_cell() -> None:
    grids, shapes = [(4, 5)], [[(0.25, 0.2)]]
    # The centres are on the edges, or beyond them: the nearest cells are the outermost ones.
    boxes = np.array([[0.9, 0.875, 1.1, 1.125], [-0.1, -0.125, 0.1, 0.125], [1.0, 0.0, 1.2, 0.25]])
    np.testing.assert_allclose(cover(boxes, grids, shapes), [1 / 7, 1 / 7, 0.0], atol=1e-9)
