from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import detectors
from tests.detectors import ANCHORS, COLOURS
from zoo.errors import AnswerError
from zoo.inputs.pictures.fit import Box, fit
from zoo.inputs.preprocessing import PictureShape
from zoo.tasks import TASKS, task_of, truth_of
from zoo.tasks.detection import DETECTION, Detecting
from zoo.tasks.objects.answer import Detection
from zoo.tasks.objects.boxes import Coding, make_anchors
from zoo.tasks.objects.layout import Finished, Found, Heads, find
from zoo.tasks.task import Stored
from zoo.tflite import modelfile

PICTURE = PictureShape(64, 64, 3)
HEADS = Heads(0, 1, ANCHORS, Coding(), False, 3, False)
TASK = replace(DETECTION, found=Found(HEADS, "", PICTURE))


def outputs(*scores: tuple[int, int, float]) -> list[np.ndarray]:
    """Boxes that are the anchors, and scores: anchor, class, score."""
    table = np.zeros((1, 16, 3), np.float32)
    for anchor, kind, score in scores:
        table[0, anchor, kind] = score
    return [np.zeros((1, 16, 4), np.float32), table]


def test_the_threshold_in_stored_numbers_is_that_in_real_ones() -> None:
    boxes, _ = outputs()
    stored = np.arange(16 * 3, dtype=np.uint8).reshape(1, 16, 3) * 5
    for threshold in (0.0, 0.1, 0.25, 0.5, 0.7333, 1.0):
        task = TASK.narrowed(COLOURS, threshold=threshold)
        found = task.decode_stored([Stored(boxes), Stored(stored, 1 / 256, 3)], COLOURS)
        real = (stored[0].astype(np.float64) - 3) / 256
        assert len(found) == int((real >= threshold).sum()), threshold
        assert all(one.score == pytest.approx(real.flat[int(np.rint(one.score * 256 + 3)) // 5]) for one in found)


def test_raw_scores_get_a_sigmoid_and_the_same_threshold() -> None:
    task = replace(TASK, found=Found(replace(HEADS, sigmoid=True), "", PICTURE))
    raw = [np.zeros((1, 16, 4), np.float32), np.full((1, 16, 3), -9, np.float32)]
    raw[1][0, 3, 1], raw[1][0, 4, 2] = 0.1, -0.1
    (found,) = task.decode(raw, COLOURS)
    assert found.label == "green"
    assert found.score == pytest.approx(1 / (1 + np.exp(-0.1)))
    raw[1][0, 5, 0] = -2000
    assert len(task.narrowed(COLOURS, threshold=0).decode(raw, COLOURS)) == 48
    assert task.narrowed(COLOURS, threshold=1).decode(raw, COLOURS) == []


def test_a_background_column_is_no_class() -> None:
    task = replace(TASK, found=Found(replace(HEADS, has_background=True), "", PICTURE))
    assert task.classes([]) == 2
    assert task.fitted_labels(("???", "cat", "dog")) == ("cat", "dog")
    (found,) = task.decode(outputs((0, 0, 0.99), (1, 2, 0.8)), ("cat", "dog"))
    assert (found.label, found.index) == ("dog", 1)
    chosen = task.narrowed(("cat", "dog"), only=["cat"])
    assert chosen.decode(outputs((0, 0, 0.99), (1, 2, 0.8), (2, 1, 0.7)), ("cat", "dog"))[0].label == "cat"


def test_at_most_a_hundred_objects_unless_told_otherwise() -> None:
    anchors = make_anchors([(20, 20)], [[(0.05, 0.05)]])
    task = replace(DETECTION, found=Found(Heads(0, 1, anchors, Coding(), False, 1, False), "", PICTURE))
    every = [np.zeros((1, 400, 4), np.float32), np.linspace(0.5, 0.9, 400, dtype=np.float32).reshape(1, 400, 1)]
    found = task.decode(every, ("x",))
    assert len(found) == 100
    assert found[0].score == pytest.approx(0.9)
    assert len(task.decode(every, ("x",), limit=300)) == 300


def test_an_input_that_is_wider_than_high_has_boxes_in_its_own_frame() -> None:
    wide = replace(TASK, found=Found(HEADS, "", PictureShape(64, 128, 3)))
    (found,) = wide.decode(outputs((6, 1, 0.9)), COLOURS)  # second row, third column
    assert wide.found is not None
    assert wide.found.picture is not None
    assert (wide.found.picture.height, wide.found.picture.width) == (64, 128)
    assert found.box == pytest.approx(Box(64, 16, 96, 32), abs=1e-3)
    (placed,) = wide.decode(outputs((6, 1, 0.9)), COLOURS, fit((600, 200), (128, 64), "stretch"))
    assert placed.box == pytest.approx(Box(300, 50, 450, 100), abs=1e-3)
    # With bars on the left and the right, a square photo is the middle half of the input.
    (padded,) = wide.decode(outputs((6, 1, 0.9)), COLOURS, fit((400, 400), (128, 64), "pad"))
    assert padded.box == pytest.approx(Box(200, 100, 400, 200), abs=1e-3)


def test_an_object_outside_of_the_picture_is_none_and_one_across_its_edge_is_cut() -> None:
    boxes, scores = outputs((0, 0, 0.9), (1, 0, 0.8))
    boxes[0, 0, 0] = -40  # a whole input's height up
    boxes[0, 1, 0] = -5  # half a cell up
    (found,) = TASK.decode([boxes, scores], COLOURS)
    assert found.box == Box(16, 0, 32, 8)


def test_the_operations_places_beyond_the_count_are_never_read() -> None:
    task = replace(DETECTION, found=Found(Finished(0, 1, 2, 3, 3, 4), "", PICTURE))
    boxes = np.full((1, 4, 4), np.nan, np.float32)
    boxes[0, 0] = 0, 0.25, 0.5, 0.75
    classes = np.array([[2, 1e32, np.inf, -5]], np.float32)
    scores = np.array([[0.9, 4.9e31, np.nan, 1]], np.float32)
    (found,) = task.decode([boxes, classes, scores, np.array([1.0], np.float32)], COLOURS)
    assert found == Detection("blue", 2, float(np.float32(0.9)), Box(16, 0, 48, 32))
    for wrong in (np.nan, -1, 5, np.inf):
        with pytest.raises(AnswerError, match="objects of at most 4"):
            task.decode([boxes, classes, scores, np.array([wrong], np.float32)], COLOURS)
    with pytest.raises(AnswerError, match="among its scores or boxes"):
        task.decode([boxes, classes, scores, np.array([2.0], np.float32)], COLOURS)


@pytest.mark.parametrize("wrong", [-1.0, -5.0, 3.0, 1e30, -1e30])
def test_a_class_that_the_file_has_not_is_no_answer(wrong: float) -> None:
    task = replace(DETECTION, found=Found(Finished(0, 1, 2, 3, 3, 1), "", PICTURE))
    boxes = np.array([[[0, 0.25, 0.5, 0.75]]], np.float32)
    one = np.array([1.0], np.float32)
    for labels in (COLOURS, ()):
        with pytest.raises(AnswerError, match="is among its classes, of which there are 3"):
            task.decode([boxes, np.array([[wrong]], np.float32), one[np.newaxis], one], labels)


def test_one_name_is_a_class_to_look_for() -> None:
    assert DETECTION.narrowed(COLOURS, only="blue") == DETECTION.narrowed(COLOURS, only=["blue"])


def test_the_boxes_among_two_outputs_of_four_numbers_are_those_without_a_sigmoid(tmp_path: Path) -> None:
    for swapped in (False, True):
        file = modelfile.read(detectors.two_outputs(tmp_path / f"{swapped}.tflite", swapped=swapped))
        layout = find(file).layout
        assert isinstance(layout, Heads)
        assert (layout.boxes, layout.scores, layout.columns) == ((1, 0, 3) if swapped else (0, 1, 3))
        assert np.allclose(layout.anchors, ANCHORS)


def test_agreement_counts_objects_of_both_sides() -> None:
    first = outputs((0, 0, 0.9), (5, 1, 0.8), (9, 2, 0.7))
    assert TASK.agreement(first, first).share == 1
    # A little less sure, and a little below the threshold, is the same; another class is not.
    assert TASK.agreement(outputs((0, 0, 0.52)), outputs((0, 0, 0.48))).share == 1
    assert TASK.agreement(outputs((0, 0, 0.9)), outputs((0, 0, 0.8))).share == 0
    assert TASK.agreement(outputs((0, 0, 0.9)), outputs((0, 1, 0.9))).share == 0
    # One of two objects more: two of three that are the same.
    assert TASK.agreement(outputs((0, 0, 0.9)), outputs((0, 0, 0.9), (3, 1, 0.9))).share == pytest.approx(2 / 3)
    moved = outputs((0, 0, 0.9))
    moved[0][0, 0, 1] = 2.5  # a quarter of its width to the right: an overlap of 0.6
    assert TASK.agreement(outputs((0, 0, 0.9)), moved).share == 0


def test_a_file_that_finds_nothing_does_not_agree_with_one_that_finds_little() -> None:
    assert TASK.agreement(outputs((0, 0, 0.3), (4, 1, 0.2)), outputs()).share == 0


def test_objects_as_text_and_in_columns() -> None:
    found = [Detection("dog", 1, 0.912, Box(120.4, 40, 310, 260)), Detection("cat", 0, 0.5, Box(0, 0, 1, 1))]
    assert DETECTION.lines(found) == ["dog   91%  120,40-310,260", "cat   50%  0,0-1,1"]
    assert DETECTION.lines([]) == ["nothing found"]
    assert DETECTION.brief([*found, found[0]]) == "1 cat, 2 dog"
    assert len(DETECTION.cells(found[0])) == len(DETECTION.columns)
    assert list(DETECTION.schema) == list(vars(found[0]))


def test_the_task_is_found_by_the_card_or_by_the_outputs(tmp_path: Path) -> None:
    file = modelfile.read(detectors.four_outputs(tmp_path / "four.tflite", (3, 1, 2, 0)))
    assert task_of({}, "a.tflite", file) is DETECTION is TASKS["detection"]
    assert task_of({"task": "classification"}, "a.tflite", file) is TASKS["classification"]
    assert task_of({"model": "lenet"}, "a.tflite", file) is TASKS["classification"]
    assert (truth_of(DETECTION), truth_of(TASKS["classification"])) == ("boxes", "classes")
    assert isinstance(DETECTION, Detecting)


@pytest.mark.parametrize(
    ("stated", "used"),
    [(0.36, 0.36), (0, 0.5), (1, 0.5), (-1, 0.5), (1.5, 0.5), (True, 0.5), ("0.3", 0.5), (None, 0.5), (math.nan, 0.5)],
)
def test_the_least_score_is_that_of_the_files_card(stated: Any, used: float, tmp_path: Path) -> None:
    file = modelfile.read(detectors.two_outputs(tmp_path / "boxes.tflite"))
    assert DETECTION.for_file({"threshold": stated}, file).threshold == used
    assert DETECTION.for_file({}, file).threshold == 0.5
