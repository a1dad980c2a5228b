from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.tasks.objects.anchors import default_shapes
from zoo.tasks.objects.boxes import Coding, make_anchors, overlaps
from zoo.training.tasks.targets import Matcher

Array = npt.NDArray[Any]
# Uneven ones, so that no box overlaps two of them alike, which rounding would decide.
ANCHORS = make_anchors([(4, 4), (2, 2)], default_shapes(2)) * np.random.default_rng(5).uniform(0.9, 1.1, (80, 4))
ANCHORS = ANCHORS.astype(np.float32)
CORNERS = Coding().decode(np.zeros((len(ANCHORS), 4)), ANCHORS)


def slow_match(rows: Array) -> tuple[Array, Array]:
    """Targets of one picture, box by box."""
    codes, classes = np.zeros((len(ANCHORS), 4)), np.full(len(ANCHORS), -1)
    there = rows[rows[:, 0] >= 0]
    if not len(there):
        return codes, classes
    shared = overlaps(there[:, 1:].astype(np.float64), CORNERS)
    takes = {at: int(shared[:, at].argmax()) for at in range(len(ANCHORS)) if shared[:, at].max() >= 0.5}
    forced: dict[int, int] = {}
    for box in range(len(there)):
        at = int(shared[box].argmax())
        if shared[box, at] > 0 and (at not in forced or shared[box, at] > shared[forced[at], at]):
            forced[at] = box
    for at, box in (takes | forced).items():
        classes[at] = there[box, 0]
        codes[at] = Coding().encode(there[box : box + 1, 1:], ANCHORS[at : at + 1])[0]
    return codes, classes


def random_rows(random: np.random.Generator, most: int = 6) -> Array:
    """Labels of a picture with some objects, among them tiny and huge ones."""
    rows = np.zeros((most, 5), np.float32)
    rows[:, 0] = -1
    for i in range(int(random.integers(0, most + 1))):
        sides = np.exp(random.uniform(np.log(0.01), 0, 2))
        corner = random.uniform(0, 1 - sides)
        rows[i] = [random.integers(0, 3), *corner, *(corner + sides)]
    return rows


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_a_batch_has_the_targets_of_its_pictures_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    batch = np.stack([random_rows(random) for _ in range(4)])
    codes, classes = (np.asarray(one) for one in Matcher(ANCHORS)(batch))
    for row, labels in enumerate(batch):
        expected_codes, expected_classes = slow_match(labels)
        np.testing.assert_array_equal(classes[row], expected_classes)
        np.testing.assert_allclose(codes[row], expected_codes, atol=2e-3)


def test_a_box_that_no_anchor_covers_is_learned_by_the_nearest() -> None:
    tiny = np.array([[[1, 0.1, 0.1, 0.12, 0.12], [-1, 0, 0, 0, 0]]], np.float32)
    codes, classes = Matcher(ANCHORS)(tiny)
    (at,) = np.flatnonzero(np.asarray(classes)[0] == 1)
    np.testing.assert_allclose(Coding().decode(np.asarray(codes)[0], ANCHORS)[at], tiny[0, 0, 1:], atol=1e-6)


def test_a_picture_without_objects_teaches_that_nothing_is_there() -> None:
    codes, classes = Matcher(ANCHORS)(np.array([[[-1, 0, 0, 0, 0]]], np.float32))
    assert (np.asarray(classes) == -1).all()
    assert not np.asarray(codes).any()


@pytest.mark.parametrize("coding", [Coding(), Coding(1, 2, 3, 4, exponential=False)])
def test_boxes_are_coded_as_the_board_decodes_them(coding: Coding) -> None:
    random = np.random.default_rng(0)
    batch = np.stack([random_rows(random) for _ in range(8)])
    codes, classes = (np.asarray(one) for one in Matcher(ANCHORS, coding)(batch))
    for row, labels in enumerate(batch):
        at = np.flatnonzero(classes[row] >= 0)
        found = coding.decode(codes[row][at], ANCHORS[at])
        known = labels[labels[:, 0] >= 0, 1:]
        # Each is one of the boxes of its picture.
        assert all(np.abs(known - box).max(axis=1).min() < 1e-5 for box in found)
