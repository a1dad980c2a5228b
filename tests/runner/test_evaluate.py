from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.told import Told
from zoo.errors import InputError
from zoo.inputs.labelled import Labelled, find_labelled
from zoo.runner import Classifier
from zoo.runner.evaluate import evaluate

if TYPE_CHECKING:
    from tests.conftest import Array


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory, digits: tuple[Array, Array]) -> Path:
    """Writes pictures of digits that `trained_lenet` was not trained on, one folder for each class."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("held_out")
    for i, (picture, label) in enumerate(zip(digits[0][1500:1600], digits[1][1500:1600], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(label) / f"{i:03}.png")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, trained_lenet: Any) -> Classifier:
    from zoo.export import to_tflite

    path = tmp_path_factory.mktemp("lenet") / "lenet.tflite"
    return Classifier(to_tflite(trained_lenet, path, labels=[str(i) for i in range(10)]).path)


@pytest.mark.slow
def test_figures_equal_scikit_learns(classifier: Classifier, held_out: Path, trained_lenet: Any) -> None:
    """Figures equal those from Keras' own scores and another library's arithmetic."""
    from PIL import Image
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, recall_score, top_k_accuracy_score

    data = find_labelled(held_out).examples
    told = Told()
    found = evaluate(classifier, data, progress=told)
    pixels = np.stack([np.asarray(Image.open(item.path), np.float32)[..., np.newaxis] for item in data])
    truth, scores = [int(item.label) for item in data], trained_lenet.predict(pixels, verbose=0)
    named = scores.argmax(axis=1)
    assert found.count == len(data) == 100
    assert told.steps == [("evaluating lenet.tflite", done, 100) for done in range(1, 101)]
    assert found.top1 == accuracy_score(truth, named)
    assert found.top5 == top_k_accuracy_score(truth, scores, k=5, labels=range(10))
    np.testing.assert_array_equal(found.confusion.counts, confusion_matrix(truth, named, labels=range(10)))
    np.testing.assert_allclose([c.recall or 0 for c in found.classes()], recall_score(truth, named, average=None))
    np.testing.assert_allclose([c.precision or 0 for c in found.classes()], precision_score(truth, named, average=None))
    wrong = {item.path for item, guess in zip(data, named, strict=True) if int(item.label) != guess}
    assert {mistake.path for mistake in found.mistakes} == wrong
    margins = [m.named.score - m.truth_score for m in found.mistakes]
    assert margins == sorted(margins, reverse=True)


def test_unreadable_pictures_do_not_count(classifier: Classifier, held_out: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    data = [*find_labelled(held_out).examples[:5], Labelled(tmp_path / "bad.png", "3")]
    found = evaluate(classifier, data)
    assert found.count == 5
    assert len(found.unreadable) == 1
    with pytest.raises(InputError, match=r"none of the 1 picture can be read; the first: .*bad\.png"):
        evaluate(classifier, data[-1:])


def test_a_class_that_the_file_does_not_know(classifier: Classifier, held_out: Path) -> None:
    with pytest.raises(InputError, match="'cat' is none of the classes of .* \\(0, 1, 2, 3, 4, 5, 6, 7, 8, 9\\)"):
        evaluate(classifier, [*find_labelled(held_out).examples, Labelled(Path("x.png"), "cat")])
