"""Whether a finished file is kept: by agreement, or by accuracy where labels are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import VerificationError
from zoo.export import Verification, to_tflite
from zoo.export.checking.judging import ByScore, Verdict, by_agreement
from zoo.export.options import ExportOptions
from zoo.inputs.labelled import Labelled
from zoo.tasks.task import Agreement

LABELS = ("dark", "bright")


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    """Forty gray pictures, as many darker as brighter than the middle."""
    folder = tmp_path_factory.mktemp("shades")
    found = []
    for i in range(40):
        shade = 20 + 5 * i
        Image.fromarray(np.full((8, 8), shade, np.uint8)).save(folder / f"{i:02}.png")
        found.append(Labelled(folder / f"{i:02}.png", LABELS[int(shade > 127)]))
    return found


@pytest.fixture(scope="module")
def threshold(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """A function that makes the file of a model which calls pictures bright from some mean on."""
    import keras

    def make(middle: float) -> Path:
        pixels = keras.Input((8, 8, 1))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))
        model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(x), name="shade")
        model.set_weights([np.array([[0.0, 20.0]]), np.array([0.0, -20.0 * middle / 255])])
        path = tmp_path_factory.mktemp("shade") / "shade.tflite"
        to_tflite(model, path, labels=LABELS, min_agreement=0)
        return path

    return make


def verification(share: float, *, difference: float = 0.1) -> Verification:
    """A comparison with Keras that found this agreement."""
    return Verification(
        inputs=32,
        source="array",
        runtime="litert",
        max_diff=difference,
        mean_diff=0.01,
        agreement=Agreement(share, "names the same class as Keras", {"top1": share}),
        asked=0.85,
        mean_size=0.5,
    )


INT8 = ExportOptions(quantize="int8")


@pytest.mark.slow
def test_a_file_as_accurate_as_keras_is_kept_though_they_often_differ(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge = ByScore(shades, "validation", score=0.9)
    verdict = judge(threshold(127), verification(0.6), INT8)
    assert verdict.facts["accuracy"] == 1
    assert verdict.facts["accuracy_on"] == {"split": "validation", "count": 40}
    assert verdict.facts["accuracy_keras"] == 0.9
    assert verdict.facts["accuracy_interval"][0] > 0.9
    # It was counted, and not judged.
    assert verdict.facts["verification"]["asked"] == 0
    (note,) = verdict.notes
    assert "names the same class as Keras on 60% of 32 inputs only" in note
    assert "right on 100.0% of 40 validation files, Keras on 90.0% (76.9% to 96.0% with 95% confidence)" in note
    with pytest.raises(VerificationError, match="at least 85%"):
        by_agreement(threshold(127), verification(0.6), INT8)


def test_a_file_that_agrees_and_is_less_accurate_is_refused(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge = ByScore(shades, "test", score=0.95)
    with pytest.raises(VerificationError, match=r"^shade\.tflite is right on 70\.0% of 40 test files, Keras on 95\.0%"):
        judge(threshold(187), verification(1.0), INT8)


def test_a_float_file_has_to_agree_whatever_its_accuracy(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge = ByScore(shades, "test", score=0.95)
    with pytest.raises(VerificationError, match="names the same class"):
        judge(threshold(127), verification(0.6), ExportOptions())


def test_an_agreement_that_was_asked_for_counts_beside_the_accuracy(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge = ByScore(shades, "test", score=0.95)
    with pytest.raises(VerificationError, match="are asked for"):
        judge(threshold(127), verification(0.6), INT8.change(min_agreement=0.7))


def test_a_file_without_numbers_or_without_an_answer_is_refused(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge = ByScore(shades, "test", score=0.5)
    with pytest.raises(VerificationError, match="not finite"):
        judge(threshold(127), verification(1.0, difference=float("nan")), INT8)


@pytest.mark.slow
def test_a_file_that_was_not_compared_is_judged_by_its_accuracy_alone(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    assert by_agreement(threshold(127), None, INT8) == Verdict()
    verdict = ByScore(shades, "test", score=0.95)(threshold(127), None, INT8)
    assert (verdict.facts["accuracy"], verdict.notes) == (1, ())
    assert "verification" not in verdict.facts
    with pytest.raises(
        VerificationError, match="right on 70.0% .* Try another quantization: int16x8, dynamic, float16"
    ):
        ByScore(shades, "test", score=0.95)(threshold(187), None, INT8)


def test_a_file_is_kept_at_the_lower_end_of_what_keras_may_have(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    # The labels are exchanged, so that neither is ever right, and 0 is the lower end.
    wrong = [Labelled(one.path, LABELS[one.label == LABELS[0]]) for one in shades]
    verdict = ByScore(wrong, "test", score=0.0)(threshold(127), verification(1.0), INT8)
    assert verdict.facts["accuracy"] == 0


def test_a_refusal_says_what_is_weak_or_else_what_loses_less(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge, path = ByScore(shades, "test", score=0.95), threshold(187)
    weak = replace(verification(1.0), weakness="layer 'x' is fragile")
    with pytest.raises(VerificationError, match="it was not kept. layer 'x' is fragile$"):
        judge(path, weak, INT8)
    for quantize, others in (("int8", "int16x8, dynamic, float16"), ("dynamic", "int16x8, float16")):
        with pytest.raises(VerificationError, match=f"it was not kept. Try another quantization: {others}$"):
            judge(path, verification(1.0), INT8.change(quantize=quantize))


def test_a_float_file_that_agrees_is_kept_whatever_its_accuracy(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    # It computes as Keras does, so that a difference of the scores is one of reading pictures, and is written down.
    verdict = ByScore(shades, "test", score=0.95)(threshold(187), verification(1.0), ExportOptions())
    assert (verdict.facts["accuracy"], verdict.facts["accuracy_keras"], verdict.notes) == (0.7, 0.95, ())
    assert "verification" not in verdict.facts


def test_an_agreement_that_was_asked_for_and_is_there_is_judged_and_needs_no_note(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    asked = replace(verification(0.6), asked=0.5)
    verdict = ByScore(shades, "test", score=0.95)(threshold(127), asked, INT8.change(min_agreement=0.5))
    assert "verification" not in verdict.facts
    assert verdict.notes == ()


def test_a_file_that_agrees_as_its_mode_should_needs_no_note(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    judge, path = ByScore(shades, "test", score=0.95, scores={"temperature": 1.5}), threshold(127)
    found = judge(path, verification(0.85), INT8)
    assert (found.notes, found.facts["verification"]["asked"]) == ((), 0)
    assert judge(path, verification(0.84), INT8).notes
    # What is known of the scores of the model stands beside what those of the file are worth.
    assert found.facts["scores"]["temperature"] == 1.5
    assert len(found.facts["scores"]) > 1


@dataclass
class Boxes:
    """How good a detector's file is."""

    score: float
    score_name: str = "mAP"
    tolerance: float = 0.125


@pytest.fixture
def detector(
    shades: list[Labelled], threshold: Callable[[float], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any, Verification | None, ExportOptions], Verdict]:
    """A function that judges a file of which an evaluation found this; Keras has a score of 0.5."""
    path = threshold(127)

    def judged(found: Any, compared: Verification | None, options: ExportOptions) -> Verdict:
        monkeypatch.setattr("zoo.export.checking.judging.evaluate", lambda *_, **__: found)
        return ByScore(shades, "test", score=0.5, name="map")(path, compared, options)

    return judged


def test_a_detector_may_lose_as_much_as_its_evaluation_tolerates(detector: Callable[..., Verdict]) -> None:
    verdict = detector(Boxes(0.375), verification(0.85), INT8)
    assert verdict == Verdict({"map": 0.375, "map_keras": 0.5, "map_on": {"split": "test", "count": 40}})
    said = (
        r"^shade\.tflite has mAP 37\.0% on 40 test files, Keras has 50\.0%, and at most 12\.5 points less are allowed; "
        "it was not kept. Try another quantization: int16x8, dynamic, float16$"
    )
    with pytest.raises(VerificationError, match=said):
        detector(Boxes(0.37), verification(0.85), INT8)
    with pytest.raises(VerificationError, match="has mAP"):
        detector(Boxes(0.37), None, INT8)
    # A float file computes as Keras does.
    detector(Boxes(0.37), verification(1.0), ExportOptions())
    # An evaluation need not say what it tolerates.
    detector(SimpleNamespace(score=0.37), verification(0.85), INT8)


def test_a_detector_has_to_agree_however_good_it_is(detector: Callable[..., Verdict]) -> None:
    for options in (INT8, ExportOptions()):
        with pytest.raises(VerificationError, match="names the same class as Keras on 84%"):
            detector(Boxes(0.9), verification(0.84), options)


def test_a_file_that_cannot_be_evaluated_is_named_as_the_user_knows_it(
    shades: list[Labelled], threshold: Callable[[float], Path]
) -> None:
    strange = [Labelled(shades[0].path, "green")]
    said = r"^'green' is none of the classes of shade\.tflite \(dark, bright\); .*; shade\.tflite was not kept$"
    with pytest.raises(VerificationError, match=said):
        ByScore(strange, "test", score=0.5)(threshold(127), verification(1.0), INT8)


@pytest.mark.slow
def test_what_the_judge_finds_stands_in_the_card(shades: list[Labelled], tmp_path: Path, trained_lenet: Any) -> None:
    calls: list[Path] = []

    def judge(path: Path, _: Verification | None, __: ExportOptions) -> Any:
        calls.append(path)
        return Verdict({"accuracy": 0.5}, ("a note",))

    report = to_tflite(trained_lenet, tmp_path / "lenet.tflite", judge=judge)
    assert report.card["accuracy"] == 0.5
    assert "a note" in report.notes
    assert [path.name for path in calls] == ["lenet.tflite"]
    assert report.bytes == report.path.stat().st_size

    def refuse(path: Path, _: Verification | None, __: ExportOptions) -> Any:
        raise VerificationError(f"{path.name} is bad")

    before = report.path.read_bytes()
    with pytest.raises(VerificationError, match="is bad"):
        to_tflite(trained_lenet, tmp_path / "lenet.tflite", judge=refuse)
    assert report.path.read_bytes() == before
