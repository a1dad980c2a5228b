from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import InputError, ModelFileError, OptionError
from zoo.tasks import TASKS, task_of
from zoo.tasks.accuracy import Evaluation, paired_interval
from zoo.tasks.classification import CLASSIFICATION, NOT_SURE, Prediction
from zoo.tasks.confusion import Confusion


def test_a_class_without_pictures_and_one_that_is_never_named() -> None:
    counts = np.array([[1, 2, 0, 0], [0] * 4, [0, 1, 0, 0], [0] * 4])
    found = Evaluation(Confusion(("a", "b", "c", "d"), counts), 4, {}, [], [])
    assert [(c.label, c.count, c.precision, c.recall) for c in found.classes()] == [
        ("a", 3, 1.0, 1 / 3),
        ("b", 0, 0.0, None),
        ("c", 1, None, 0.0),
    ]


def fake(named: list[str]) -> Evaluation:
    """Makes pictures that are all of class a, with the class that each was given."""
    names = {Path(str(i)): ("a", name) for i, name in enumerate(named)}
    return Evaluation(Confusion(("a", "b"), np.eye(2, dtype=np.int64)), 2, names, [], [])


def test_comparison_by_hand() -> None:
    # Both right, only the first right (twice), only the second right, both wrong; the last is missing in the second.
    found = CLASSIFICATION.compare(fake(list("aaabba")), fake(list("abbab")))
    assert (found.pictures, found.only_first, found.only_second) == (5, 2, 1)
    assert found.agreement == pytest.approx(0.4)
    assert found.difference == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_files_without_a_picture_in_common_are_not_compared() -> None:
    with pytest.raises(InputError, match="no picture that both"):
        CLASSIFICATION.compare(fake(["a"]), fake([]))


def test_the_interval_holds_the_true_difference_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for count, a, b in [(50, 0.1, 0.05), (200, 0.03, 0.01), (1000, 0.2, 0.2)]:
        draws = rng.multinomial(count, [a, b, 1 - a - b], 2000)
        intervals = [paired_interval(int(x), int(y), count) for x, y, _ in draws]
        covered.append(np.mean([low <= a - b <= high for low, high in intervals]))
    assert all(0.93 < share <= 1 for share in covered), covered
    assert paired_interval(0, 0, 1)[1] <= 1


def test_an_interval_without_disagreement_is_not_empty() -> None:
    low, high = paired_interval(0, 0, 100)
    assert low < 0 < high
    assert high - low < 0.08


def test_scores_become_predictions_best_first() -> None:
    outputs = [np.array([[0.1, 0.6, 0.1, 0.2]], np.float32)]
    found = CLASSIFICATION.decode(outputs, ("a", "b", "c", "d"), limit=3)
    assert [(one.label, one.index) for one in found] == [("b", 1), ("d", 3), ("a", 0)]
    assert CLASSIFICATION.lines(found)[0] == " 60.00%  b"
    assert CLASSIFICATION.brief(found[:2]) == "b 60%, d 20%"
    assert len(CLASSIFICATION.cells(found[0])) == len(CLASSIFICATION.columns)
    # The last axes of the outputs of older models are 1 x 1.
    best = CLASSIFICATION.decode([outputs[0].reshape(1, 1, 1, 4)], ("a", "b", "c", "d"))[0]
    assert best == Prediction("b", 1, float(np.float32(0.6)))


@pytest.mark.parametrize(
    ("shapes", "classes"),
    [([(1, 10)], 10), ([(4, 1, 1, 7)], 7), ([(1, 5, 5, 7)], None), ([(1, 4), (1, 2)], None), ([(7,)], None)],
)
def test_outputs_that_are_a_classifiers(shapes: list[tuple[int, ...]], classes: int | None) -> None:
    fault = CLASSIFICATION.fault(shapes)
    if classes is None:
        assert fault.startswith("no classifier: its outputs are")
    else:
        assert not fault
        assert CLASSIFICATION.classes(shapes) == classes


def test_the_task_is_found_by_the_card() -> None:
    assert task_of({}, "a.tflite") is TASKS["classification"] is CLASSIFICATION
    assert task_of({"task": "classification"}, "a.tflite") is CLASSIFICATION
    for other in ("segmentation", ["x"], None, 3):
        with pytest.raises(ModelFileError, match=r"the card of a\.tflite names the task"):
            task_of({"task": other}, "a.tflite")


def test_the_schema_is_that_of_a_prediction() -> None:
    assert list(CLASSIFICATION.schema) == list(CLASSIFICATION.columns) == list(vars(Prediction("a", 0, 0.5)))


def test_below_the_least_score_the_answer_is_that_it_is_not_sure() -> None:
    outputs = [np.array([[0.25, 0.5, 0.25]], np.float32)]
    sure, unsure = CLASSIFICATION.with_min_score(0.5), CLASSIFICATION.with_min_score(0.51)
    assert [one.label for one in sure.decode(outputs, ("a", "b", "c"))] == ["b", "a", "c"]
    found = unsure.decode(outputs, ("a", "b", "c"), limit=2)
    assert found == [Prediction(NOT_SURE, -1, 0.5), Prediction("b", 1, 0.5)]
    assert unsure.decode(outputs, ("a", "b", "c"), limit=1) == found[:1]
    assert unsure.lines(found) == ["         not sure", " 50.00%  b"]
    assert unsure.brief(found) == "not sure, b 50%"


@pytest.mark.parametrize("value", [70.0, -0.1, float("nan"), float("inf")])
def test_a_least_score_that_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(OptionError, match="least score"):
        CLASSIFICATION.with_min_score(value)


def test_a_least_score_of_logits_is_any_number() -> None:
    assert CLASSIFICATION._replace(scores="numbers").with_min_score(7).min_score == 7
