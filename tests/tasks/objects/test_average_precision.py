from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.inputs.boxes import Boxes
from zoo.inputs.pictures.fit import Box
from zoo.tasks.detection import DETECTION
from zoo.tasks.objects.answer import Detection
from zoo.tasks.objects.average_precision import (
    SIZES,
    at_threshold,
    average_precisions,
    best_threshold,
    matched,
)
from zoo.tasks.objects.figures import Evaluation
from zoo.tasks.objects.judge import PictureBoxes

Array = np.ndarray[Any, Any]
Picture = tuple[Array, Array, Array, Array, Array]
"""Boxes and classes of the truth; boxes, scores and classes of the detector."""

ALL = (0.0, 1e10)


def scenes(seed: int, classes: int, pictures: int = 25) -> list[Picture]:
    """Random objects of all sizes, some found nearly, some missed, some of another class, with many equal scores."""
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> Array:
        corner = rng.uniform(0, 200, (count, 2))
        return np.concatenate([corner, corner + np.exp(rng.uniform(np.log(8), np.log(220), (count, 2)))], axis=1)

    made = []
    for _ in range(pictures):
        there = int(rng.integers(0, 7))
        found = int(rng.integers(0, 150 if seed == 2 else 12))
        truth, kinds = boxes(there), rng.integers(0, classes, there)
        guess, guessed = boxes(found), rng.integers(0, classes, found)
        for at in range(min(there, found)):
            if rng.random() < 0.8:
                size = truth[at, 2:] - truth[at, :2]
                guess[at] = truth[at] + rng.normal(0, 0.08, 4) * np.tile(size, 2)
                guess[at, 2:] = np.maximum(guess[at, 2:], guess[at, :2] + 1)
                guessed[at] = kinds[at]
        made.append((truth, kinds, guess, np.round(rng.random(found), 2), guessed))
    return made


def judged(pictures: list[Picture], classes: int, threshold: float = 0.5) -> Evaluation:
    labels = tuple(map(str, range(classes)))
    judge = DETECTION.narrowed(labels, threshold=threshold).judge(labels)
    for number, (truth, kinds, guess, scores, guessed) in enumerate(pictures):
        found = [
            Detection(str(kind), int(kind), float(score), Box(*box))
            for box, score, kind in zip(guess.tolist(), scores, guessed, strict=True)
        ]
        judge.add(PictureBoxes(Path(f"{number}.jpg"), Boxes(tuple(map(str, kinds)), truth)), found)
    return judge.evaluation([])


def by_pycocotools(pictures: list[Picture], classes: int) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def wide(box: Array) -> list[float]:
        return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]

    truths: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (truth, kinds, guess, scores, guessed) in enumerate(pictures, start=1):
        for box, kind in zip(truth, kinds, strict=True):
            area = float(np.prod(box[2:] - box[:2]))
            about = {"id": len(truths) + 1, "image_id": number, "category_id": int(kind) + 1, "iscrowd": 0}
            truths.append({**about, "bbox": wide(box), "area": area})
        for box, score, kind in zip(guess, scores, guessed, strict=True):
            about = {"image_id": number, "category_id": int(kind) + 1}
            results.append({**about, "score": float(score), "bbox": wide(box)})
    data = {
        "info": {},
        "images": [{"id": number + 1} for number in range(len(pictures))],
        "annotations": truths,
        "categories": [{"id": kind + 1, "name": str(kind)} for kind in range(classes)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = data
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [float(value) for value in judge.stats[:6]]


@pytest.mark.parametrize(("seed", "classes"), [(0, 1), (1, 4), (2, 1)])
def test_all_six_figures_equal_pycocotools(seed: int, classes: int) -> None:
    pictures = scenes(seed, classes)
    found = judged(pictures, classes)
    mine = [found.ap, found.ap50, found.ap75, *(found.by_size[size] for size in ("small", "medium", "large"))]
    assert None not in mine
    assert mine == pytest.approx(by_pycocotools(pictures, classes), abs=1e-9)
    assert 0.01 < mine[0] < 0.95  # type: ignore[operator]


def test_a_size_without_objects_has_no_figure() -> None:
    truth = np.array([[0, 0, 10.0, 10]])
    picture = (truth, np.zeros(1, int), truth, np.ones(1), np.zeros(1, int))
    found = judged([picture], 2)
    assert found.ap == pytest.approx(1)
    assert found.by_size == pytest.approx({"small": 1, "medium": None, "large": None})
    assert [one.label for one in found.classes] == ["0"]
    assert found.classes[0].ap == pytest.approx(1)


def test_objects_of_a_class_that_is_not_there_cost_precision_not_ap() -> None:
    truth = np.array([[0, 0, 10.0, 10]])
    both = np.array([[0, 0, 10.0, 10], [50, 50, 60, 60]])
    found = judged([(truth, np.zeros(1, int), both, np.array([0.9, 0.8]), np.array([0, 1]))], 2)
    assert found.ap == pytest.approx(1)
    assert (found.use.precision, found.use.recall) == (0.5, 1)


def test_precision_recall_and_the_best_threshold_by_hand() -> None:
    truth = np.array([[0, 0, 10.0, 10], [20, 20, 30, 30]])
    guess = np.array([[0, 0, 10.0, 10], [50, 50, 60, 60], [20, 20, 30, 30], [70, 70, 80, 80]])
    one = matched(truth, guess, np.array([0.9, 0.6, 0.4, 0.1]), ALL)
    assert (at_threshold([one], 0.5).precision, at_threshold([one], 0.5).recall) == (0.5, 0.5)
    best = best_threshold([one])
    assert best is not None
    assert (best.threshold, best.recall) == (0.4, 1)
    assert best.precision == pytest.approx(2 / 3)
    assert at_threshold([one], 0.95).precision is None
    assert best_threshold([]) is None


def test_two_detections_of_one_object_are_one_right_and_one_wrong() -> None:
    truth = np.array([[0, 0, 10.0, 10]])
    one = matched(truth, np.array([[0, 0, 10, 9.0], [0, 0, 10, 10]]), np.array([0.9, 0.8]), ALL)
    assert one.right[0].tolist() == [True, False]


def test_counts_confusion_and_the_worst_picture_by_hand() -> None:
    truth = np.array([[0, 0, 10.0, 10], [20, 20, 30, 30], [40, 40, 50, 50]])
    kinds = np.array([0, 0, 1])
    # The first is found as it is, the second as the other class, the third is missed, and one is nothing there.
    guess = np.array([[0, 0, 10.0, 10], [20, 20, 30, 31], [70, 70, 80, 80]])
    perfect = (truth, kinds, truth, np.full(3, 0.9), kinds)
    found = judged([perfect, (truth, kinds, guess, np.full(3, 0.9), np.array([0, 1, 1]))], 2)
    assert found.confusion.labels == ("0", "1", "(none)")
    assert found.confusion.counts.tolist() == [[3, 1, 0], [0, 1, 1], [0, 1, 0]]
    # One of class 0 too few and one of class 1 too many, in one of two pictures.
    assert found.counting_error == 1
    assert [(one.path.name, one.mistakes) for one in found.worst()] == [("1.jpg", 4), ("0.jpg", 0)]
    text = [section.title for section in found.sections(5)]
    assert "Counts are off by 1.00 objects a picture." in text
    assert found.sections(5)[-1].rows == [("1.jpg", "3", "3", "1")]
    assert found.as_dict()["worst"] == [{"path": "1.jpg", "there": 3, "found": 3, "right": 1}]


def test_which_objects_are_met_and_which_detections_are_right_is_kept_for_drawing() -> None:
    """A better detection of the same object, and one of another class at its place, leave the worse ones wrong."""
    truth = np.array([[20, 20, 30, 30], [0, 0, 10.0, 10], [40, 40, 50, 50]])
    guess = np.array([[0, 0, 10, 9.0], [0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]])
    picture = (truth, np.array([0, 0, 1]), guess, np.array([0.8, 0.9, 0.7, 0.3]), np.array([0, 0, 1, 1]))
    (one,) = judged([picture], 2).pictures
    assert [found.score for found in one.detections] == [0.8, 0.9, 0.7]
    assert (one.met, one.are_right) == ((False, True, False), (False, True, False))
    assert (one.there, one.found, one.right, one.mistakes) == (3, 3, 1, 4)


def test_what_is_found_beyond_the_names_is_left_out() -> None:
    """An operation in a graph may name a class by any number."""
    truth = np.array([[0, 0, 10.0, 10]])
    both = np.array([[0, 0, 10.0, 10], [50, 50, 60, 60]])
    found = judged([(truth, np.zeros(1, int), both, np.array([0.9, 0.8]), np.array([0, 7]))], 2)
    assert found.ap == pytest.approx(1)
    assert found.use.precision == 1


def test_below_the_threshold_nothing_counts_but_for_ap() -> None:
    truth = np.array([[0, 0, 10.0, 10]])
    found = judged([(truth, np.zeros(1, int), truth, np.array([0.4]), np.zeros(1, int))], 1)
    assert found.ap == pytest.approx(1)
    assert (found.use.recall, found.confusion.counts.tolist()) == (0, [[0, 1], [0, 0]])


def test_pictures_without_any_object_have_no_ap() -> None:
    empty = (np.empty((0, 4)), np.empty(0, int), np.empty((0, 4)), np.empty(0), np.empty(0, int))
    found = judged([empty], 2)
    assert (found.ap, found.score, found.best, found.counting_error) == (None, 0.0, None, 0)
    assert found.headline().startswith("1 picture with 0 objects: there is no mAP")


def test_two_files_are_compared_picture_by_picture() -> None:
    pictures = scenes(1, 3)
    none = [(a, b, c[:0], d[:0], e[:0]) for a, b, c, d, e in pictures]
    first, second = judged(pictures, 3, 0.6), judged(none, 3)
    found = DETECTION.compare(first, second)
    assert found.pictures == 25
    assert found.difference == pytest.approx(first.score)
    fewer = [one.mistakes < other.mistakes for one, other in zip(first.pictures, second.pictures, strict=True)]
    assert found.better_first == sum(fewer)
    assert found.line().startswith("mAP differs by +")


@pytest.mark.slow
def test_a_file_of_less_precision_may_lose_what_chance_decides() -> None:
    many, few = (judged(scenes(0, 2, pictures), 2) for pictures in (400, 4))
    objects = [sum(one.there for one in found.pictures) for found in (many, few)]
    assert objects[0] > 625 > objects[1] > 0
    assert many.tolerance == 0.02
    assert few.tolerance == pytest.approx(0.5 / objects[1] ** 0.5)


def square(side: float, left: float = 0.0) -> list[float]:
    return [left, 0.0, left + side, side]


def test_boxes_at_the_ends_of_a_size_belong_to_both() -> None:
    assert list(SIZES) == ["all", "small", "medium", "large"]
    for side, names in ((31, "small"), (32, "small medium"), (33, "medium"), (96, "medium large"), (97, "large")):
        truth = np.array([square(side)])
        counting = [name for name, size in SIZES.items() if matched(truth, truth, np.ones(1), size).boxes]
        assert counting == ["all", *names.split()], side
    tiny = np.array([square(0.01)])
    assert [matched(tiny, tiny, np.ones(1), size).boxes for size in SIZES.values()] == [1, 1, 0, 0]
    vast = np.array([square(1e5)])
    assert [matched(vast, vast, np.ones(1), size).boxes for size in SIZES.values()] == [1, 0, 0, 1]


def test_an_object_is_met_from_a_half_in_steps_of_a_twentieth() -> None:
    truth = np.array([square(100)])
    for overlap, levels in ((0.49, 0), (0.5, 1), (0.74, 5), (0.75, 6), (0.96, 10), (1.0, 10)):
        found = np.array([[0, 0, 100, 100 * overlap]])
        one = matched(truth, found, np.ones(1), ALL)
        assert int(one.right.sum()) == levels, overlap
        assert one.takes.tolist() == [0 if levels else -1]
        assert not one.ignored.any()


def test_what_takes_a_box_that_does_not_count_is_ignored_and_of_two_boxes_the_counting_one_is_taken() -> None:
    truth = np.array([square(20), square(40)])
    found = np.array([square(20), square(40), square(20, 500), square(40, 500)])
    one = matched(truth, found, np.array([0.9, 0.8, 0.7, 0.6]), SIZES["medium"])
    assert one.boxes == 1
    assert one.right[0].tolist() == [True, True, False, False]
    assert one.ignored[0].tolist() == [True, False, True, False]
    assert one.takes.tolist() == [0, 1, -1, -1]
    # Both boxes are reached; the smaller one overlaps more, and does not count.
    near = matched(np.array([square(31), square(33)]), np.array([square(31)]), np.ones(1), SIZES["medium"])
    assert near.takes.tolist() == [1]
    assert not near.ignored[0, 0]


def test_of_equal_boxes_the_last_is_taken_first_and_each_once() -> None:
    truth = np.array([square(50)] * 3)
    one = matched(truth, np.array([square(50)] * 4), np.array([0.6, 0.9, 0.8, 0.7]), ALL)
    assert one.rows.tolist() == [1, 2, 3, 0]
    assert one.takes.tolist() == [2, 1, 0, -1]
    assert one.scores.tolist() == [0.9, 0.8, 0.7, 0.6]


def test_a_hundred_detections_of_a_class_are_looked_at() -> None:
    truth = np.array([square(50)])
    boxes = np.array([square(50, 500)] * 100 + [square(50)])
    assert not matched(truth, boxes, np.linspace(1, 0.5, 101), ALL).right.any()
    assert matched(truth, boxes[1:], np.linspace(1, 0.5, 100), ALL).right[0].sum() == 1


def test_average_precision_by_hand() -> None:
    truth = np.array([square(50), square(50, 200)])
    found = np.array([square(50), square(50, 500), square(50, 200)])
    one = matched(truth, found, np.array([0.9, 0.8, 0.7]), ALL)
    values = average_precisions([one])
    assert values is not None
    # Half of the objects with a precision of 1: 51 of the 101 places of recall; the others with two of three.
    np.testing.assert_allclose(values, (51 + 50 * 2 / 3) / 101)
    half = average_precisions([one, matched(truth, np.empty((0, 4)), np.empty(0), ALL)])
    assert half is not None
    np.testing.assert_allclose(half, (26 + 25 * 2 / 3) / 101)
    assert average_precisions([matched(np.empty((0, 4)), found, np.ones(3), ALL)]) is None


def test_equal_scores_pass_a_threshold_together_and_of_equal_thresholds_the_highest_is_best() -> None:
    truth = np.array([square(50), square(50, 200)])
    found = np.array([square(50), square(50, 500), square(50, 200)])
    both = best_threshold([matched(truth, found, np.array([0.9, 0.5, 0.5]), ALL)])
    assert both is not None
    # F1 of the first alone: 2 / (1 + 2); of all three: 4 / (3 + 2).
    assert (both.threshold, both.recall) == (0.5, 1.0)
    assert both.precision == pytest.approx(2 / 3)
    equal = best_threshold([matched(truth[:1], found[:2], np.array([0.9, 0.5]), ALL)])
    assert equal is not None
    assert equal.threshold == 0.9
    # One of two objects is found, and two more are none.
    first = best_threshold([matched(truth, found[[0, 1, 1]], np.array([0.9, 0.5, 0.5]), ALL)])
    assert first is not None
    assert first.threshold == 0.9
    assert best_threshold([]) is None
    assert best_threshold([matched(truth, np.empty((0, 4)), np.empty(0), ALL)]) is None
    assert best_threshold([matched(np.empty((0, 4)), found, np.ones(3), ALL)]) is None
    none = at_threshold([matched(truth, found, np.array([0.9, 0.5, 0.5]), ALL)], 0.95)
    assert (none.precision, none.recall) == (None, 0.0)
    assert at_threshold([matched(truth, found, np.array([0.9, 0.5, 0.5]), ALL)], 0.9).precision == 1.0
