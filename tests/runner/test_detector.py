from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo.assets
from tests import detectors
from tests.detectors import COLOURS, SIDE, cells
from zoo.errors import AnswerError, InputError, ModelFileError
from zoo.inputs.boxes import Boxes
from zoo.inputs.pictures.fit import Box
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner import Classifier, Detection, Detector, Predictor, load
from zoo.runner.evaluate import evaluate
from zoo.tasks.objects.judge import PictureBoxes

SCENE = cells((0, 1, "red"), (2, 3, "blue"))
FOUND = {("red", (16, 0, 32, 16)), ("blue", (48, 32, 64, 48))}


def places(found: list[Detection]) -> set[tuple[str, tuple[float, ...]]]:
    """Names and boxes, in whole pixels."""
    return {(one.label, tuple(round(value) for value in one.box)) for one in found}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("detectors")
    return {
        "float": detectors.two_outputs(folder / "float.tflite"),
        "uint8": detectors.two_outputs(folder / "uint8.tflite", quantized=True),
        "int8": detectors.two_outputs(folder / "int8.tflite", signed=True),
        "channels first": detectors.two_outputs(folder / "first.tflite", channels_first=True),
        "swapped": detectors.two_outputs(folder / "swapped.tflite", swapped=True, quantized=True),
        "four": detectors.four_outputs(folder / "four.tflite"),
        "four mixed": detectors.four_outputs(folder / "mixed.tflite", (3, 2, 0, 1)),
        "four integers": detectors.four_outputs(folder / "integers.tflite", (2, 0, 3, 1), as_integers=True),
    }


@pytest.fixture(
    scope="module",
    params=["float", "uint8", "int8", "channels first", "swapped", "four", "four mixed", "four integers"],
)
def detector(request: pytest.FixtureRequest, files: dict[str, Path]) -> Detector:
    return Detector(files[request.param])


@pytest.fixture(scope="module")
def plain(files: dict[str, Path]) -> Detector:
    return Detector(files["float"])


def test_every_kind_of_file_finds_the_same_objects(detector: Detector) -> None:
    found = detector.detect(Image.fromarray(SCENE))
    assert places(found) == FOUND
    assert all(isinstance(one.box, Box) and one.score > 0.99 and COLOURS[one.index] == one.label for one in found)
    assert detector.labels == COLOURS
    # Nothing beyond the count is read: an empty picture has no objects, whatever the memory holds.
    assert detector.detect(Image.fromarray(cells())) == []


def test_the_task_is_found_in_a_file_without_a_card(files: dict[str, Path]) -> None:
    for path in files.values():
        predictor: Predictor[Any] = Predictor(path)
        assert predictor.task.name == "detection"
        assert places(predictor.predict(Image.fromarray(SCENE))) == FOUND


def test_boxes_are_in_pixels_of_the_upright_photo(plain: Detector, tmp_path: Path) -> None:
    picture = Image.fromarray(SCENE).resize((256, 128), Image.Resampling.NEAREST)
    assert places(plain.detect(picture)) == {("red", (64, 0, 128, 32)), ("blue", (192, 64, 256, 96))}
    # The same photo as a camera stores it on its side.
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "turned.png"
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert places(plain.detect(path)) == {("red", (64, 0, 128, 32)), ("blue", (192, 64, 256, 96))}


def test_the_whole_picture_is_seen_unless_told_otherwise(files: dict[str, Path]) -> None:
    wide = Image.new("RGB", (128, 64))
    wide.paste(Image.fromarray(cells((1, 1, "green"))), (0, 0))
    assert Detector(files["float"]).preprocessing.resize == "stretch"
    # Bars above and below: what is 16 wide in a picture of 128 is 8 wide in the input.
    padded = Detector(files["float"], preprocessing=Preprocessing("pad"))
    whole = Image.new("RGB", (128, 128))
    whole.paste(Image.fromarray(cells((1, 1, "green"), size=128)), (0, 0))
    assert places(padded.detect(whole)) == {("green", (32, 32, 64, 64))}
    cropped = Detector(files["float"], preprocessing=Preprocessing("crop"))
    middle = Image.new("RGB", (128, 64))
    middle.paste(Image.fromarray(cells((1, 1, "green"))), (32, 0))
    assert places(cropped.detect(middle)) == {("green", (48, 16, 64, 32))}


def test_threshold_limit_and_names_narrow_what_is_found(detector: Detector) -> None:
    # Half of a cell is red: a score of one half.
    pixels = cells((0, 0, "green"), (3, 3, "blue"))
    pixels[16:32, 32:40, 0] = 255
    scene = Image.fromarray(pixels)
    assert {one.label for one in detector.detect(scene, threshold=0.45)} == {"red", "green", "blue"}
    assert {one.label for one in detector.detect(scene, threshold=0.6)} == {"green", "blue"}
    assert {one.label for one in detector.detect(scene, threshold=0.45, only=["red", "blue"])} == {"red", "blue"}
    assert len(detector.detect(scene, limit=1)) == 1
    for wrong in ({"threshold": 1.5}, {"threshold": float("nan")}, {"iou": -0.1}, {"limit": 0}, {"only": ["rad"]}):
        with pytest.raises(InputError) as error:
            detector.detect(scene, **wrong)
        assert "not allowed" in str(error.value) or "did you mean 'red'" in str(error.value)


def test_values_of_another_type_are_refused_with_the_value_and_what_is_allowed(detector: Detector) -> None:
    for wrong, line in (
        ({"limit": 1.5}, "limit=1.5 is not allowed; give a whole number, 1 or more"),
        ({"limit": "3"}, "limit='3' is not allowed; give a whole number, 1 or more"),
        ({"limit": None}, "limit=None is not allowed; give a whole number, 1 or more"),
        ({"threshold": "0.5"}, "threshold='0.5' is not allowed; give a number from 0 to 1"),
        ({"iou": True}, "iou=True is not allowed; give a number from 0 to 1"),
        ({"only": [1]}, "only=1 is not allowed; give texts alone"),
        ({"only": 1}, "only=1 is not allowed; give texts alone"),
    ):
        for find in (detector.detect, lambda scene, **options: list(detector.detect_many([scene], **options))):
            with pytest.raises(InputError) as error:
                find(SCENE, **wrong)
            assert str(error.value).startswith(line)
    with pytest.raises(InputError, match=r"workers=0\.5 is not allowed; give a whole number, 1 or more"):
        list(detector.detect_many([SCENE], workers=0.5))  # type: ignore[arg-type]


def test_many_pictures_come_in_order_and_a_bad_one_is_an_error(plain: Detector, tmp_path: Path) -> None:
    Image.fromarray(SCENE).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    results = list(plain.detect_many([tmp_path / "a.png", tmp_path / "b.png", SCENE], only=["blue"]))
    assert [len(one.predictions) for one in results] == [1, 0, 1]
    assert isinstance(results[1].error, InputError)


def test_scores_that_are_no_numbers_are_no_answer(plain: Detector, files: dict[str, Path]) -> None:
    with pytest.raises(AnswerError, match=r"float.tflite gives no answer: nan is among its scores or boxes"):
        plain.detect(np.full((SIDE, SIDE, 3), np.nan, np.float32))


@pytest.mark.slow
def test_what_cannot_be_decoded_is_named_and_still_runs(tmp_path: Path) -> None:
    raw = detectors.raw_outputs(tmp_path / "raw.tflite")
    with pytest.raises(
        ModelFileError, match=r"the anchors of its 16 boxes are not in the file\. In Python, zoo"
    ) as error:
        Predictor(raw)
    assert "no detector that can be decoded" in str(error.value)
    boxes, scores = load(raw).run(SCENE[np.newaxis].astype(np.float32))
    assert (boxes.shape, scores.shape) == ((1, 16, 4), (1, 16, 3))
    net = detectors.Net()
    net.graph.outputs = list(detectors.heads(net))
    short = net.write(tmp_path / "short.tflite", detectors.metadata(detectors.ANCHORS[:5]))
    with pytest.raises(ModelFileError, match="its metadata has 5 anchors for 16 boxes"):
        Detector(short)
    net = detectors.Net()
    net.graph.outputs = list(detectors.heads(net))
    with pytest.raises(ModelFileError, match="damaged metadata"):
        Detector(net.write(tmp_path / "broken.tflite", detectors.metadata(identifier=b"XXXX")))


def test_boxes_and_scores_in_one_tensor_are_named_for_what_they_are(tmp_path: Path) -> None:
    """As YOLO's exports have them: in integers, pixels and scores of one scale leave no scores, and nothing tells."""
    path = detectors.one_output(tmp_path / "one.tflite")
    with pytest.raises(
        ModelFileError, match=r"its outputs are \(1, 304, 7\), neither \(batch, anchors, 4\) with"
    ) as error:
        Predictor(path)
    assert "no detector that can be decoded" in str(error.value)
    (both,) = load(path).run(SCENE[np.newaxis].astype(np.float32))
    assert both.shape == (1, 304, 7)


def test_a_detector_is_no_classifier_and_the_other_way_round(files: dict[str, Path]) -> None:
    with pytest.raises(ModelFileError, match="no classifier"):
        Classifier(files["float"])
    with pytest.raises(ModelFileError, match="no detector that can be decoded"):
        Detector(next(Path(zoo.assets.__file__).parent.glob("demo/digits_int8.tflite")))


def test_an_evaluation_sees_what_is_below_the_threshold(plain: Detector, tmp_path: Path) -> None:
    scene = cells((0, 1, "red"))
    scene[32:48, 48:55, 2] = 255  # 7 of 16 columns: a score of 0.27
    Image.fromarray(scene).save(tmp_path / "a.png")
    boxes = Boxes(("red", "blue"), np.array([[16, 0, 32, 16], [48, 32, 64, 48]]))
    found = evaluate(plain, [PictureBoxes(tmp_path / "a.png", boxes)])
    assert found.ap == pytest.approx(1)
    assert (found.use.precision, found.use.recall) == (1, 0.5)
    assert found.best.threshold == pytest.approx(0.27, abs=0.02)
    with pytest.raises(InputError, match="'rod' is none of the classes"):
        evaluate(plain, [PictureBoxes(tmp_path / "a.png", Boxes(("rod",), boxes.boxes[:1]))])
