from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.tasks.objects.boxes import BLOCK, LARGEST_CODE, Coding, areas, make_anchors, overlaps, paper_shapes, suppress


def some_boxes(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 0.8, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0.01, 0.5, (count, 2))], axis=1)


@pytest.mark.parametrize("exponential", [False, True])
def test_decoding_undoes_coding(exponential: bool) -> None:
    boxes, anchors = some_boxes(20), make_anchors([(4, 5)], [[(0.3, 0.2)]])
    coding = Coding(10, 10, 5, 5, exponential=exponential)
    assert np.allclose(coding.decode(coding.encode(boxes, anchors), anchors), boxes, atol=1e-5)


def test_the_coding_of_a_box_by_hand() -> None:
    # The box is twice as high as the anchor and half as wide, a quarter of the anchor's height lower and of its width
    # further left.
    anchor = np.array([[0.5, 0.5, 0.2, 0.4]])
    box = np.array([[0.3, 0.35, 0.5, 0.75]])
    coded = Coding().encode(box, anchor)
    assert coded[0] == pytest.approx([2.5, -2.5, 5 * np.log(2), -5 * np.log(2)], abs=1e-6)
    plain = Coding(exponential=False).encode(box, anchor)
    assert plain[0] == pytest.approx([2.5, -2.5, 5 * 2, 5 / 2], abs=1e-6)


def test_the_largest_code_is_a_centre_one_and_a_half_anchors_away_and_twenty_times_the_size() -> None:
    coded = np.array([[LARGEST_CODE] * 4])
    left, top, right, bottom = Coding().decode(coded, np.array([[0.0, 0.0, 1.0, 1.0]]))[0]
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((1.5, 1.5))
    assert (right - left, bottom - top) == pytest.approx((20, 20), rel=0.01)


def test_a_box_without_area_has_a_code_of_numbers() -> None:
    anchor = np.array([[0.5, 0.5, 0.2, 0.2]])
    coded = Coding().encode(np.array([[0.5, 0.5, 0.5, 0.5]]), anchor)
    # So small that no box of a picture is coded as another than it is.
    assert coded[0] == pytest.approx([0, 0, 5 * np.log(1e-9 / 0.2), 5 * np.log(1e-9 / 0.2)])
    assert np.isfinite(Coding().decode(np.array([[0, 0, 1e30, 1e30]]), anchor)).all()


def test_anchors_go_row_by_row_and_stand_in_the_middle_of_cells() -> None:
    found = make_anchors([(1, 2), (1, 1)], [[(0.1, 0.2), (0.3, 0.4)], [(1, 1)]])
    left = [(0.5, 0.25, 0.1, 0.2), (0.5, 0.25, 0.3, 0.4)]
    right = [(0.5, 0.75, 0.1, 0.2), (0.5, 0.75, 0.3, 0.4)]
    expected = [*left, *right, (0.5, 0.5, 1, 1)]
    assert np.allclose(found, expected)


def test_the_papers_anchors_of_an_input_of_300_pixels_are_1917() -> None:
    shapes = paper_shapes(6)
    assert [len(one) for one in shapes] == [3, 6, 6, 6, 6, 6]
    assert shapes[-1][0] == pytest.approx((0.95, 0.95))
    assert shapes[-1][-1] == pytest.approx((0.95**0.5, 0.95**0.5))
    # Five even steps of 0.15 from 0.2 to 0.95; heights and widths of the ratios 2, 1/2, 3 and 1/3.
    two, three = 2**0.5, 3**0.5
    small = [(0.1, 0.1), (0.2 / two, 0.2 * two), (0.2 * two, 0.2 / two)]
    np.testing.assert_allclose(shapes[0], small)
    ratios = [(0.35, 0.35), (0.35 / two, 0.35 * two), (0.35 * two, 0.35 / two)]
    ratios += [(0.35 / three, 0.35 * three), (0.35 * three, 0.35 / three)]
    np.testing.assert_allclose(shapes[1], [*ratios, ((0.35 * 0.5) ** 0.5,) * 2])
    grids = [(side, side) for side in (19, 10, 5, 3, 2, 1)]
    assert make_anchors(grids, shapes).shape == (1917, 4)


def test_overlaps_by_hand() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6], [4, 4, 3, 3]], float)
    found = overlaps(boxes, boxes)
    assert found[0] == pytest.approx([1, 1 / 7, 0, 0])
    assert areas(boxes).tolist() == [4, 4, 1, 0]
    assert overlaps(boxes, np.empty((0, 4))).shape == (4, 0)


def test_the_worse_of_two_boxes_of_one_class_goes() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [20, 20, 30, 30]], float)
    scores, classes = np.array([0.8, 0.9, 0.7, 0.1]), np.array([0, 0, 1, 0])
    assert suppress(boxes, scores, classes, iou=0.5, limit=10).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, classes, iou=0.95, limit=10).tolist() == [1, 0, 2, 3]
    assert suppress(boxes, scores, classes, iou=0.5, limit=2).tolist() == [1, 2]
    assert suppress(boxes[:0], scores[:0], classes[:0], iou=0.5, limit=2).tolist() == []


def test_a_box_that_went_lets_others_stay() -> None:
    # The second overlaps the first and the third; the third overlaps the first too little.
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], float)
    found = suppress(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, int), iou=0.3, limit=10)
    assert found.tolist() == [0, 2]


def suppressed_plainly(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float, limit: int) -> list[int]:
    """The rule as it is told in one sentence, box by box."""
    stays: list[int] = []
    for at in np.argsort(-scores, kind="stable").tolist():
        rivals = [one for one in stays if classes[one] == classes[at]]
        if not (overlaps(boxes[rivals], boxes[[at]]) > iou).any():
            stays.append(at)
    return stays[:limit]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]),
    kinds=st.integers(1, 4),
    spread=st.sampled_from([2, 12, 60]),
    iou=st.sampled_from([0.0, 0.3, 0.5, 0.6, 1.0]),
    limit=st.sampled_from([1, 5, 100, 1000]),
)
def test_suppression_in_blocks_keeps_what_the_plain_rule_keeps(
    seed: int, count: int, kinds: int, spread: int, iou: float, limit: int
) -> None:
    """Corners and scores are few numbers, so that boxes are equal, touch, have no area, and share their scores."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, spread, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(-1, 9, (count, 2))], axis=1).astype(np.float64)
    scores, classes = rng.integers(0, 10, count) / 10, rng.integers(0, kinds, count)
    found = suppress(boxes, scores, classes, iou=iou, limit=limit)
    assert found.tolist() == suppressed_plainly(boxes, scores, classes, iou, limit)


@pytest.mark.parametrize(("spread", "limit"), [(0.0, 100), (0.05, 100), (1.0, 100), (1.0, 400)])
def test_suppression_compares_far_fewer_than_all_pairs(
    spread: float, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of the worst picture: 400 candidates, of which none, some or all overlap. Times themselves are noise."""
    pairs = []

    def counted(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        pairs.append(len(first) * len(second))
        return overlaps(first, second)

    monkeypatch.setattr("zoo.tasks.objects.boxes.overlaps", counted)
    corner = np.random.default_rng(0).uniform(0, spread, (400, 2))
    boxes = np.concatenate([corner, corner + 0.2], axis=1)
    suppress(boxes, np.linspace(1, 0.5, 400), np.zeros(400, int), iou=0.6, limit=limit)
    assert sum(pairs) < 0.7 * 400 * 400
    assert max(pairs) <= 400 * BLOCK


def test_suppression_ends_with_the_block_that_reaches_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def noted(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        compared.append((len(first), len(second)))
        return overlaps(first, second)

    monkeypatch.setattr("zoo.tasks.objects.boxes.overlaps", noted)
    left = np.arange(3 * BLOCK, dtype=float)
    apart = np.stack((left, np.zeros_like(left), left + 1, np.ones_like(left)), axis=1)
    stay = suppress(apart, -left, np.zeros(3 * BLOCK, int), iou=0.5, limit=BLOCK)
    assert stay.tolist() == list(range(BLOCK))
    assert compared == [(0, BLOCK), (BLOCK, BLOCK)]


def test_boxes_of_whole_numbers_overlap_as_others_do() -> None:
    first, second = np.array([[0, 0, 10, 10], [0, 0, 0, 0]]), np.array([[5, 0, 15, 10]])
    np.testing.assert_allclose(overlaps(first, second), [[1 / 3], [0.0]])
    assert overlaps(first.astype(np.float32), second.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("exponential", [True, False])
def test_a_size_beyond_every_picture_is_no_infinity(exponential: bool) -> None:
    coding, anchor = Coding(exponential=exponential), np.array([[0.5, 0.5, 1.0, 1.0]])
    left, _, right, _ = coding.decode(np.array([[0.0, 0.0, 0.0, 5 * 1000.0]]), anchor)[0]
    assert right - left == pytest.approx(np.exp(50) if exponential else 1000)
