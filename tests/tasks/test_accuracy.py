"""The figures of a classifier, on answers that are written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from zoo.errors import AnswerError, InputError
from zoo.tasks.accuracy import ClassificationJudge, Evaluation, compare, paired_interval
from zoo.tasks.classification import Prediction
from zoo.tasks.scores import Scores

LABELS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


class Named(NamedTuple):
    """A picture with its class."""

    path: Path
    names: tuple[str, ...]


def judged(*answers: tuple[str, Sequence[str]], kind: Scores = "probabilities") -> Evaluation:
    """Judges pictures, each of a true class and the classes that are named, best first, by scores 0.5, 0.25..."""
    judge = ClassificationJudge(LABELS, kind)
    for number, (truth, named) in enumerate(answers):
        order = [*named, *(label for label in LABELS if label not in named)]
        found = [Prediction(label, LABELS.index(label), 0.5**at) for at, label in enumerate(order, start=1)]
        judge.add(Named(Path(f"{number}.png"), (truth,)), found)
    return judge.evaluation([])


FIRST = judged(
    ("ant", ["ant"]),
    ("ant", ["bee", "ant"]),
    ("bee", ["bee"]),
    ("cat", ["ant", "bee", "dog", "eel", "cat"]),
    ("cat", ["ant", "bee", "dog", "eel", "fox", "cat"]),
)


def test_the_best_class_and_the_best_five_are_counted() -> None:
    assert (FIRST.count, FIRST.top1, FIRST.top5, FIRST.score) == (5, 0.4, 0.8, 0.4)
    assert FIRST.headline() == "5 pictures, top-1 40.0%, top-5 80.0%"
    assert FIRST.confusion.counts[0].tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert FIRST.confusion.counts[2].tolist() == [2, 0, 0, 0, 0, 0, 0]
    assert FIRST.named[Path("1.png")] == ("ant", "bee")
    assert FIRST.answers == ((0.5, True), (0.5, False), (0.5, True), (0.5, False), (0.5, False))
    low, high = FIRST.interval
    assert low < 0.4 < high


def test_classes_that_were_neither_there_nor_named_have_no_figures() -> None:
    found = {one.label: (one.count, one.precision, one.recall) for one in FIRST.classes()}
    assert found == {"ant": (2, pytest.approx(1 / 3), 0.5), "bee": (1, 0.5, 1.0), "cat": (2, None, 0.0)}
    named_only = judged(("ant", ["ant"]), ("bee", ["dog"]))
    assert [one.label for one in named_only.classes()] == ["ant", "bee", "dog"]
    # A class that pictures are only taken for has a column, and a row of none.
    table = named_only.sections(0)[1]
    assert (table.columns, table.rows[2]) == (("", "ant", "bee", "dog"), ("dog", "", "", ""))


def test_five_classes_have_no_best_five() -> None:
    judge = ClassificationJudge(LABELS[:5])
    for truth in LABELS[:2]:
        scores = [(0.9 if label == truth else 0.1, i, label) for i, label in enumerate(LABELS[:5])]
        judge.add(Named(Path(truth), (truth,)), [Prediction(la, i, s) for s, i, la in sorted(scores, reverse=True)])
    few = judge.evaluation([])
    assert few.headline() == "2 pictures, top-1 100.0%"
    assert compare(few, few).section(("a", "b"), few, few).columns == (
        "file", "top-1", "right where the other is wrong",
    )  # fmt: skip
    assert compare(FIRST, FIRST).section(("a", "b"), FIRST, FIRST).columns[1:3] == ("top-1", "top-5")
    assert compare(FIRST, FIRST).section(("a", "b"), FIRST, FIRST).rows[0][1:3] == ("40.0%", "80.0%")
    six = ClassificationJudge(LABELS[:6])
    six.add(Named(Path("a"), ("ant",)), [Prediction(label, i, 0.5**i) for i, label in enumerate(LABELS[:6])])
    assert six.evaluation([]).headline() == "1 picture, top-1 100.0%, top-5 100.0%"


def test_a_file_that_names_one_class_is_doubted() -> None:
    pictures = [("ant", ["bee", "ant"]), ("bee", ["bee", "cat"])] * 6
    assert judged(*pictures).doubt().startswith("all 12 answers are 'bee'; 12 pictures do not show that")
    assert judged(*[("ant", ["ant"]), ("bee", ["bee"])] * 6).doubt() == ""


def test_the_surest_mistake_comes_first() -> None:
    assert [(one.path.name, one.truth, one.named.label) for one in FIRST.mistakes] == [
        ("4.png", "cat", "ant"), ("3.png", "cat", "ant"), ("1.png", "ant", "bee")
    ]  # fmt: skip
    assert [one.truth_score for one in FIRST.mistakes] == [0.5**6, 0.5**5, 0.25]


def test_the_report_has_its_tables() -> None:
    classes, confusion, above, mistakes = FIRST.sections(2)
    assert classes.rows[0] == ("ant", "2", "33.3%", "50.0%")
    assert classes.rows[2] == ("cat", "2", "", "0.0%")
    assert confusion.columns == ("", "ant", "bee", "cat")
    assert confusion.rows == [("ant", "1", "1", ""), ("bee", "", "1", ""), ("cat", "2", "", "")]
    assert above.columns[0] == "min score"
    assert mistakes.title == "3 mistakes, the surest first:"
    assert mistakes.rows[0] == ("4.png", "cat", "1.6%", "ant", "50.0%")
    assert len(mistakes.rows) == 2
    assert FIRST.sections(3)[-1].title == "Mistakes:"
    assert [one.columns[0] for one in FIRST.sections(0)] == ["class", "", "min score"]
    right = judged(("ant", ["ant"]), ("bee", ["bee"]))
    assert [one.columns[0] for one in right.sections(9)] == ["class", "", "min score"]


def test_a_matrix_of_more_than_twenty_classes_is_not_printed() -> None:
    for count, printed in ((20, True), (21, False)):
        judge = ClassificationJudge(tuple(f"c{i:02}" for i in range(count)))
        for i in range(count):
            found = [Prediction(f"c{j:02}", j, 0.9 if j == i else 0.001 * j) for j in range(count)]
            judge.add(Named(Path(str(i)), (f"c{i:02}",)), sorted(found, key=lambda one: -one.score))
        columns = [one.columns[0] for one in judge.evaluation([]).sections(0)]
        assert ("" in columns) == printed


def test_scores_that_are_no_probabilities_say_nothing_of_their_worth() -> None:
    assert set(FIRST.sureness) == {"calibration_error", "min_score"}
    said = FIRST.as_dict()
    assert said["calibration_error"] == pytest.approx(0.1)
    assert (len(said["above"]), said["top1"], said["pictures"], len(said["mistakes"])) == (7, 0.4, 5, 3)
    numbers = judged(("ant", ["ant"]), ("bee", ["dog", "bee"]), kind="numbers")
    assert numbers.sureness == {}
    assert (numbers.as_dict()["calibration_error"], numbers.as_dict()["above"]) == (None, [])
    assert numbers.sections(1)[-1].rows == [("1.png", "bee", "0.25", "dog", "0.5")]


def test_a_file_that_answers_nothing_has_no_accuracy() -> None:
    judge = ClassificationJudge(LABELS)
    for truth in ("ant", "bee"):
        judge.add(Named(Path(truth), (truth,)), [Prediction(label, i, 0.1) for i, label in enumerate(LABELS)])
    with pytest.raises(AnswerError, match="the file gives every class the same score, for every picture, which is no"):
        judge.evaluation([])


def test_two_files_are_compared_on_the_pictures_that_both_could_read() -> None:
    second = judged(("ant", ["bee"]), ("ant", ["ant"]), ("bee", ["bee"]), ("cat", ["cat"]))
    found = compare(FIRST, second)
    assert (found.pictures, found.agreement, found.only_first, found.only_second) == (4, 0.25, 1, 2)
    assert found.difference == -0.25
    assert (found.low, found.high) == paired_interval(1, 2, 4)
    assert found.line().startswith("The same name for 25.0% of 4 pictures. Top-1 differs by -25.00 points (95%")
    table = found.section(("a", "b"), FIRST, second)
    assert table.rows == [("a", "40.0%", "80.0%", "1"), ("b", "75.0%", "100.0%", "2")]
    assert found.as_dict()["only_second"] == 2
    wrong_alike = compare(judged(("ant", ["bee"]), ("cat", ["cat"])), judged(("ant", ["dog"]), ("cat", ["cat"])))
    assert (wrong_alike.agreement, wrong_alike.only_first, wrong_alike.only_second) == (0.5, 0, 0)
    alone = Evaluation(FIRST.confusion, 0, {Path("other.png"): ("ant", "ant")}, [], [])
    with pytest.raises(InputError, match="there is no picture that both files could read"):
        compare(FIRST, alone)


def test_the_interval_of_a_difference_is_the_papers() -> None:
    # (a + 1) / (n + 2) and (b + 1) / (n + 2), with n = 98, a = 29, b = 9: 0.3 and 0.1.
    reach = 1.959964 * np.sqrt((0.4 - 0.2**2) / 100)
    assert paired_interval(29, 9, 98) == pytest.approx((0.2 - reach, 0.2 + reach))
    assert paired_interval(1, 0, 1)[1] == 1.0
    assert paired_interval(0, 1, 1)[0] == -1.0


def test_the_surest_mistake_is_that_whose_wrong_class_is_furthest_ahead() -> None:
    judge = ClassificationJudge(LABELS[:3])
    for name, scores in (("near", (0.4, 0.5, 0.1)), ("far", (0.1, 0.7, 0.2)), ("low", (0.05, 0.45, 0.5))):
        found = [Prediction(label, i, scores[i]) for i, label in enumerate(LABELS[:3])]
        judge.add(Named(Path(name), ("ant",)), sorted(found, key=lambda one: -one.score))
    assert [one.path.name for one in judge.evaluation([]).mistakes] == ["far", "low", "near"]
