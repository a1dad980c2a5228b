"""Whole files that others made, and answers that are none: refused in one line, or shown as what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import AnswerError, InputError, ModelFileError
from zoo.inputs.labelled import Labelled
from zoo.runner import Classifier
from zoo.runner.evaluate import evaluate

if TYPE_CHECKING:
    from tests.conftest import Cli

SIZE = 16


def converted(function: Callable[[Any], Any], *shape: int | None, dtype: Any = None) -> bytes:
    """The plain conversion of a function."""
    import tensorflow as tf

    spec = tf.TensorSpec(shape, dtype or tf.float32)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([tf.function(function).get_concrete_function(spec)])
    content: bytes = converter.convert()
    return content


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from a name to a file: nets that say which colour is the strongest, and what goes wrong with them."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("foreign")

    def means(x: Any) -> Any:
        return tf.reduce_mean(tf.cast(x, tf.float32), [1, 2])

    nets: dict[str, tuple[Callable[[Any], Any], tuple[int | None, ...], Any]] = {
        "int32": (lambda x: tf.nn.softmax(means(x) / 16), (1, SIZE, SIZE, 3), tf.int32),
        "first": (lambda x: tf.nn.softmax(tf.reduce_mean(x, [2, 3]) / 16), (1, 3, SIZE, SIZE), None),
        "gray": (lambda x: tf.nn.softmax(tf.reduce_mean(x, 2)), (1, SIZE, SIZE), None),
        "logits": (means, (1, SIZE, SIZE, 3), None),
        "shares": (lambda x: means(x) / tf.reduce_sum(means(x), -1, keepdims=True), (1, SIZE, SIZE, 3), None),
        "nan": (lambda x: tf.nn.softmax(tf.math.log(-means(x) - 1.0)), (1, SIZE, SIZE, 3), None),
        "same": (lambda x: tf.nn.softmax(means(x) * 0.0 + tf.constant([1.0, 2.0, 0.5])), (1, SIZE, SIZE, 3), None),
        "even": (lambda x: tf.nn.softmax(means(x) * 0.0), (1, SIZE, SIZE, 3), None),
        "open": (lambda x: tf.nn.softmax(means(x)), (None, None, None, 3), None),
        "number": (lambda x: tf.argmax(means(x), -1)[:, tf.newaxis], (1, SIZE, SIZE, 3), None),
        "bool": (lambda x: tf.nn.softmax(means(x)), (1, SIZE, SIZE, 3), tf.bool),
    }

    def make(name: str) -> Path:
        path = folder / f"{name}.tflite"
        if not path.exists():
            function, shape, dtype = nets[name]
            path.write_bytes(converted(function, *shape, dtype=dtype))
        return path

    return make


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `class_0`, `class_1` and `class_2` with two pictures each that are rather red, green and blue."""
    folder = tmp_path_factory.mktemp("colours")
    for i in range(3):
        (folder / f"class_{i}").mkdir()
        for k in range(2):
            colour = [60 + 10 * k] * 3
            colour[i] = 200
            Image.new("RGB", (30, 20), tuple(colour)).save(folder / f"class_{i}" / f"{k}.png")
    return folder


@pytest.mark.parametrize("name", ["int32", "first", "logits"])
def test_colours_are_named_whatever_the_type_and_the_order_of_the_input(
    name: str, foreign: Callable[[str], Path], colours: Path
) -> None:
    classifier = Classifier(foreign(name))
    for picture in sorted(colours.rglob("*.png")):
        assert classifier.classify(picture, 1)[0].label == picture.parent.name


def test_a_gray_picture_goes_into_an_input_without_channels(foreign: Callable[[str], Path], tmp_path: Path) -> None:
    pixels = np.zeros((SIZE, SIZE), np.uint8)
    pixels[5] = 90
    Image.fromarray(pixels).save(tmp_path / "row.png")
    np.save(tmp_path / "row.npy", pixels)
    classifier = Classifier(foreign("gray"))
    assert classifier.classify(tmp_path / "row.png", 1)[0].index == 5
    assert classifier.classify(tmp_path / "row.npy", 1)[0].index == 5
    assert any("read as gray" in note for note in classifier.notes)


def test_scores_that_are_no_probabilities_are_shown_as_numbers(
    foreign: Callable[[str], Path], colours: Path, cli: Cli
) -> None:
    picture = colours / "class_1" / "0.png"
    done = cli("run", foreign("logits"), picture, "--top-k", "1")
    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["200", "class_1"]
    assert "scores that are no probabilities" in done.err
    done = cli("evaluate", foreign("logits"), colours.parent / colours.name, "--mistakes", "3")
    assert (done.code, "100.0%" in done.out) == (0, True)
    for name in ("shares", "first"):
        done = cli("run", foreign(name), picture, "--top-k", "1")
        assert "%" in done.out.splitlines()[1]
        assert "no probabilities" not in done.err


def test_the_mistakes_of_logits_are_listed_as_numbers(foreign: Callable[[str], Path], colours: Path) -> None:
    data = [Labelled(colours / "class_1" / "0.png", "class_0"), Labelled(colours / "class_1" / "1.png", "class_1")]
    section = evaluate(Classifier(foreign("logits")), data).sections(5)[-1]
    assert [row[1:] for row in section.rows] == [("class_0", "60", "class_1", "200")]


def test_a_file_that_answers_nan_names_nothing_and_has_no_accuracy(
    foreign: Callable[[str], Path], colours: Path, cli: Cli
) -> None:
    picture = colours / "class_1" / "0.png"
    done = cli("run", foreign("nan"), picture)
    assert (done.code, done.out) == (1, "")
    assert f"{picture}: {foreign('nan')} gives no answer: nan is among its scores" in done.err
    done = cli("evaluate", foreign("nan"), colours)
    assert (done.code, done.out) == (1, "")
    assert "gives no answer" in done.err
    with pytest.raises(AnswerError):
        Classifier(foreign("nan")).classify(picture)


@pytest.mark.parametrize(
    ("name", "fault"), [("same", "every picture the same scores"), ("even", "every class the same")]
)
def test_scores_that_are_always_the_same_have_no_accuracy(
    name: str, fault: str, foreign: Callable[[str], Path], colours: Path, cli: Cli
) -> None:
    done = cli("evaluate", foreign(name), colours)
    assert (done.code, done.out) == (1, "")
    assert fault in done.err


def test_one_class_alone_may_get_the_same_scores(foreign: Callable[[str], Path], colours: Path) -> None:
    data = [Labelled(path, "class_1") for path in sorted((colours / "class_1").iterdir())]
    assert evaluate(Classifier(foreign("same")), data).top1 == 1


def test_a_name_of_two_classes_has_no_accuracy(foreign: Callable[[str], Path], colours: Path) -> None:
    classifier = Classifier(foreign("logits"), labels=["crane", "cat", "crane"])
    with pytest.raises(InputError, match=r"'crane' is the name of several classes of .*: 0 and 2"):
        evaluate(classifier, [Labelled(colours / "class_0" / "0.png", "crane")])
    assert evaluate(classifier, [Labelled(colours / "class_1" / "0.png", "cat")]).top1 == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("open", r"takes an input of the open size \(\?, \?, \?, 3\)"),
        ("number", "of type int64, which is no score of each class"),
        ("bool", "takes an input of type bool"),
    ],
)
def test_files_that_cannot_be_run_on_pictures_are_refused_when_they_are_opened(
    name: str, words: str, foreign: Callable[[str], Path]
) -> None:
    with pytest.raises(ModelFileError, match=words):
        Classifier(foreign(name))
