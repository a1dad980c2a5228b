"""The outputs of detectors, of a few anchors and objects, decoded by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoo.errors import AnswerError
from zoo.inputs.pictures.fit import Box, fit
from zoo.tasks.objects import decoding
from zoo.tasks.objects.answer import Detection
from zoo.tasks.objects.boxes import Coding
from zoo.tasks.objects.decoding import Objects, agreement, objects_in
from zoo.tasks.objects.layout import Finished, Heads
from zoo.tasks.task import Stored

ANCHORS = np.array([[0.25, 0.25, 0.5, 0.5], [0.25, 0.75, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5]], np.float32)
"""Centre y and x, height and width: three quarters of the input."""
HEADS = Heads(0, 1, ANCHORS, Coding(), False, 2, False)
FINISHED = Finished(0, 1, 2, 3, 3, 4)


def single(values: Any) -> Any:
    """Makes an array of 32-bit floats."""
    return np.array(values, np.float32)


def heads(scores: list[list[float]], layout: Heads = HEADS, coded: Any = None, **limits: Any) -> Objects:
    """Decodes boxes that are the anchors, with these scores of each class."""
    boxes = single(np.zeros((1, len(scores), 4))) if coded is None else single(coded)[np.newaxis]
    outputs = [Stored(boxes), Stored(single(scores)[np.newaxis])]
    return objects_in(layout, outputs, (64, 64), None, **_limits(limits))


def finished(
    boxes: list[list[float]], classes: Sequence[float], scores: Sequence[float], count: float, **limits: Any
) -> Objects:
    """Decodes four outputs; boxes are top, left, bottom and right."""
    arrays = [single(boxes)[np.newaxis], single([classes]), single([scores]), single([count])]
    return objects_in(FINISHED, [Stored(one) for one in arrays], (100, 200), None, **_limits(limits))


def _limits(given: dict[str, Any]) -> dict[str, Any]:
    return {"threshold": 0.5, "iou": 0.5, "only": None, "limit": 100} | given


def test_scores_from_the_threshold_on_are_found_the_best_first() -> None:
    boxes, scores, classes = heads([[0.1, 0.5], [0.9, 0.4999], [0.2, 0.8]])
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.5])
    assert classes.tolist() == [0, 1, 1]
    np.testing.assert_allclose(boxes, [[32, 0, 64, 32], [0, 32, 32, 64], [0, 0, 32, 32]])
    assert heads([[0.1, 0.5], [0.9, 0.4], [0.2, 0.8]], limit=2)[1].tolist() == pytest.approx([0.9, 0.8])


def test_only_the_classes_that_are_looked_for_are_found() -> None:
    found = heads([[0.9, 0.8], [0.9, 0.4], [0.2, 0.8]], only=frozenset({1}))
    assert found[2].tolist() == [1, 1]
    assert found[1].tolist() == pytest.approx([0.8, 0.8])


def test_a_background_is_left_out_and_raw_scores_get_a_sigmoid() -> None:
    background = replace(HEADS, has_background=True, columns=3)
    _, scores, classes = heads([[0.99, 0.1, 0.6], [0.99, 0.2, 0.3], [0, 0.7, 0]], background)
    assert (scores.tolist(), classes.tolist()) == (pytest.approx([0.7, 0.6]), [0, 1])
    _, scores, _ = heads([[0.0, -0.01], [5, -9], [-1, -1]], replace(HEADS, sigmoid=True))
    assert scores.tolist() == pytest.approx([1 / (1 + np.exp(-5)), 0.5])


def test_the_rivals_of_a_box_are_those_of_its_class_or_across_of_all() -> None:
    # The first two boxes are nearly one.
    coded = [[0, 0, 0, 0], [0, -10, 0, 0], [0, 0, 0, 0]]
    scores = [[0.9, 0.6], [0.7, 0.8], [0.1, 0.1]]
    assert sorted(heads(scores, coded=coded)[1].tolist()) == pytest.approx([0.8, 0.9])
    _, kept, classes = heads(scores, coded=coded, across=True)
    assert (kept.tolist(), classes.tolist()) == (pytest.approx([0.9]), [0])


def test_of_more_than_four_hundred_boxes_the_best_are_looked_at() -> None:
    assert decoding.CANDIDATES == 400
    count = 401
    centres = np.linspace(0.001, 0.999, count)
    anchors = np.stack([centres, centres, np.full(count, 1e-4), np.full(count, 1e-4)], axis=1).astype(np.float32)
    layout = replace(HEADS, anchors=anchors, columns=1)
    scores = np.linspace(0.6, 0.9, count)[::-1]
    found = heads(scores.reshape(-1, 1).tolist(), layout, limit=1000)
    assert found[1].tolist() == pytest.approx(scores[:400].tolist())
    np.testing.assert_allclose(found[0][:, 0], (centres[:400] - 5e-5) * 64, atol=1e-4)
    all_of_them = heads(scores[:400].reshape(-1, 1).tolist(), replace(layout, anchors=anchors[:400]), limit=1000)
    assert all_of_them[1].tolist() == pytest.approx(scores[:400].tolist())


def test_boxes_are_cut_at_what_the_model_sees_and_those_beside_it_are_none() -> None:
    # The middle of the box moves by half of its size for a number of 5.
    coded = [[0, -5, 0, 0], [0, 30, 0, 0], [0, 0, 0, 0]]
    boxes, scores, _ = heads([[0.9, 0], [0.8, 0], [0.1, 0]], coded=coded)
    assert scores.tolist() == pytest.approx([0.9])
    np.testing.assert_allclose(boxes, [[0, 0, 16, 32]])
    how = fit((400, 200), (64, 64), "crop")
    outputs = [Stored(np.zeros((1, 3, 4), np.float32)), Stored(single([[[0.9, 0], [0, 0], [0, 0]]]))]
    boxes, _, _ = objects_in(HEADS, outputs, (64, 64), how, **_limits({}))
    np.testing.assert_allclose(boxes, [[100, 0, 200, 100]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_answer(value: float) -> None:
    with pytest.raises(AnswerError, match="is among its scores or boxes"):
        heads([[value, 0], [0, 0], [0, 0]])
    with pytest.raises(AnswerError, match="is among its scores or boxes"):
        heads([[0.9, 0], [0, 0], [0, 0]], coded=[[value, 0, 0, 0]] * 3)
    # A box that nothing is found in may hold anything.
    assert len(heads([[0.9, 0], [0, 0], [0, 0]], coded=[[0] * 4, [value] * 4, [0] * 4])[0]) == 1


BOXES: list[list[float]] = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.6, 0.7], [0, 0, 1, 1], [9, 9, 9, 9]]


def test_objects_that_are_decoded_already_are_as_many_as_counted_and_sorted() -> None:
    boxes, scores, classes = finished(BOXES, [2, 0, 1, 7], [0.5, 0.9, 0.4, np.nan], 3)
    assert (scores.tolist(), classes.tolist()) == (pytest.approx([0.9, 0.5]), [0, 2])
    np.testing.assert_allclose(boxes, [[50, 100, 70, 120], [20, 20, 40, 60]], rtol=1e-5)
    assert finished(BOXES, [2, 0, 1, 7], [0.5, 0.9, 0.4, 0], 3, limit=1)[2].tolist() == [0]
    assert finished(BOXES, [2, 0, 1, 7], [0.5, 0.9, 0.4, 0], 3, only=frozenset({2}))[2].tolist() == [2]
    assert len(finished(BOXES, [2, 0, 1, 7], [0.5] * 4, 0)[0]) == 0
    assert len(finished(BOXES, [2, 0, 1, 2], [0.5] * 4, 4)[0]) == 3  # the last has no area


@pytest.mark.parametrize("count", [-1, 5, np.nan, np.inf])
def test_a_count_that_cannot_be_is_no_answer(count: float) -> None:
    with pytest.raises(AnswerError, match=r"gives no answer: it counts \S+ objects? of at most 4"):
        finished(BOXES, [0] * 4, [0.5] * 4, count)


@pytest.mark.parametrize(("kind", "fits"), [(-0.4, True), (2.4, True), (-0.6, False), (2.6, False), (3, False)])
def test_a_class_beyond_its_classes_is_no_answer(kind: float, fits: bool) -> None:
    if fits:
        assert finished(BOXES, [kind] * 4, [0.5] * 4, 1)[2].tolist() == [round(kind)]
    else:
        with pytest.raises(AnswerError, match="is among its classes, of which there are 3"):
            finished(BOXES, [kind] * 4, [0.5] * 4, 1)


PLACES = (Box(0, 0, 10, 10), Box(20, 0, 30, 10), Box(0, 20, 10, 30))


def objects(*found: tuple[int, int, float]) -> list[Detection]:
    """Makes the objects of one picture: place, class and score."""
    return [Detection(str(kind), kind, score, PLACES[place]) for place, kind, score in found]


def share(first: list[Detection], second: list[Detection]) -> float:
    return agreement([(first, second)], 0.5).share


def test_objects_in_common_are_of_one_class_one_place_and_nearly_one_score() -> None:
    first = objects((0, 0, 0.9), (1, 1, 0.6))
    assert share(first, first) == 1
    for other, expected in (
        (objects((0, 0, 0.86), (1, 1, 0.6)), 1.0),
        (objects((0, 0, 0.84), (1, 1, 0.6)), 0.5),
        (objects((0, 1, 0.9), (1, 1, 0.6)), 0.5),
        (objects((2, 0, 0.9), (1, 1, 0.6)), 0.5),
        (objects((0, 0, 0.9)), 2 / 3),
        (objects(), 0.0),
        (objects((0, 0, 0.9), (1, 1, 0.6), (2, 1, 0.6)), 4 / 5),
        # Two of one place, which the one object is in common with once.
        (objects((0, 0, 0.9), (0, 0, 0.9), (1, 1, 0.6)), 4 / 5),
    ):
        assert share(first, other) == pytest.approx(expected)
        assert share(other, first) == pytest.approx(expected)


def test_what_is_a_little_below_the_threshold_counts_for_what_is_above() -> None:
    first = objects((0, 0, 0.9), (1, 1, 0.52))
    assert share(first, objects((0, 0, 0.9), (1, 1, 0.48))) == 1.0
    # Itself it does not count: of three objects above, two are in common.
    assert share(first, objects((0, 0, 0.9), (1, 1, 0.4))) == pytest.approx(2 / 3)


def test_boxes_are_one_from_an_overlap_of_nine_tenths() -> None:
    first = objects((0, 0, 0.9))
    for width, same in ((9.0, 1.0), (8.9, 0.0)):
        assert share(first, [Detection("0", 0, 0.9, Box(0, 0, width, 10))]) == same


def test_where_the_reference_finds_little_the_threshold_is_that_of_half_of_the_pictures() -> None:
    first = [objects((0, 0, score)) for score in (0.3, 0.2, 0.1)]
    found = agreement([(one, one) for one in first], 0.5)
    assert (found.share, found.doubt) == (1.0, "no object with a score of 0.5")
    assert found.figures == {"same_objects": 1.0}
    nothing = [(one, objects()) for one in first]
    assert agreement(nothing, 0.5).share == 0.0
    assert agreement(nothing, 0.5, least=0.31).share == 1.0
    # Above the lowered threshold of 0.2 are two, of which one is in common.
    assert agreement([*zip(first[:1], first[:1], strict=True), *nothing[1:]], 0.5).share == pytest.approx(2 / 3)
    sure = agreement([(objects((0, 0, 0.5)), objects())], 0.5)
    assert (sure.share, sure.doubt) == (0.0, "")
    assert agreement([(objects(), objects())], 0.5).share == 1.0
