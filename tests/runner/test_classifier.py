from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import InputError, ModelFileError, ZooError
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner import Classifier, Prediction, load_image

if TYPE_CHECKING:
    from tests.conftest import Case


@pytest.fixture(scope="session")
def mobilenet(cases: Callable[[str], Case]) -> Case:
    return cases("mobilenet_v2")


def appended(source: Path, target: Path, **parts: str | bytes) -> Path:
    """Copies a model file and replaces its embedded files by `parts`."""
    with zipfile.ZipFile(source) as archive:
        end = min(info.header_offset for info in archive.infolist())
    target.write_bytes(source.read_bytes()[:end])
    if parts:
        with zipfile.ZipFile(target, "a") as archive:
            for name, content in parts.items():
                archive.writestr(name.replace("_", "."), content)
    return target


@pytest.mark.slow
def test_a_photo_gets_the_names_that_keras_gives(mobilenet: Case, photos: tuple[Path, Path]) -> None:
    classifier = Classifier(mobilenet.file)
    for photo in photos:
        pixels = load_image(photo, 96, 96).astype(np.float32)
        scores = np.asarray(mobilenet.model(pixels[np.newaxis], training=False))[0]
        order = np.argsort(-scores)
        found = classifier.classify(photo, top_k=3)
        assert [p.index for p in found] == list(order[:3])
        assert [p.label for p in found] == [f"class_{i}" for i in order[:3]]
        np.testing.assert_allclose([p.score for p in found], scores[order[:3]], atol=1e-5)


def test_path_picture_and_array_are_the_same(mobilenet: Case, photos: tuple[Path, Path]) -> None:
    classifier = Classifier(str(mobilenet.file), threads=1)
    by_path = classifier.classify(photos[0])
    assert len(by_path) == 5
    with Image.open(photos[0]) as image:
        assert classifier.classify(image) == by_path
    assert classifier.classify(str(photos[0])) == by_path
    assert classifier.classify(load_image(photos[0], 96, 96)) == by_path


def test_top_k(mobilenet: Case, photos: tuple[Path, Path]) -> None:
    classifier = Classifier(mobilenet.file)
    everything = classifier.classify(photos[0], top_k=10)
    assert sorted(p.index for p in everything) == list(range(10))
    assert [p.score for p in everything] == sorted((p.score for p in everything), reverse=True)
    assert sum(p.score for p in everything) == pytest.approx(1, abs=1e-5)
    assert classifier.classify(photos[0], top_k=1) == everything[:1]
    assert classifier.classify(photos[0], top_k=99) == everything
    for top_k in (0, -1):
        with pytest.raises(InputError, match=f"top_k={top_k} is not allowed; give 1 or more"):
            classifier.classify(photos[0], top_k=top_k)


def test_options_of_another_type_are_refused_with_the_value_and_what_is_allowed(mobilenet: Case) -> None:
    classifier = Classifier(mobilenet.file)
    for top_k in (1.5, "2", None, True):
        with pytest.raises(InputError, match=f"top_k={top_k!r} is not allowed; give a whole number, 1 or more"):
            classifier.classify(np.zeros((96, 96, 3), np.uint8), top_k=top_k)  # type: ignore[arg-type]
    options: tuple[tuple[dict[str, Any], str], ...] = (
        ({"threads": 1.5}, "threads=1.5 is not allowed; give a whole number, 1 to 256"),
        ({"threads": "2"}, "threads='2' is not allowed; give a whole number, 1 to 256"),
        ({"runtime": ["litert"]}, "unknown runtime ['litert']; give auto, litert"),
        ({"delegate": 1}, "delegate=1 is not allowed; give a text"),
        ({"preprocessing": "crop"}, "preprocessing='crop' is not allowed; give a Preprocessing"),
        ({"trusted": "no"}, "trusted='no' is not allowed; give True or False"),
        ({"labels": 10}, "labels=10 is not allowed; give a list of texts"),
        ({"labels": range(10)}, "labels=0 is not allowed; give texts alone"),
        ({"min_score": "0.5"}, "min_score='0.5' is not allowed; give a least score from 0 to 1"),
        ({"input_range": 3}, "input_range=3 is not allowed; give two finite numbers"),
        ({"input_range": (0, "x")}, "input_range=(0, 'x') is not allowed; give two finite numbers"),
    )
    for wrong, line in options:
        with pytest.raises(ZooError) as error:
            Classifier(mobilenet.file, **wrong)
        assert str(error.value).startswith(line)


def test_labels_may_be_the_path_of_a_file(mobilenet: Case, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"thing {i}\n" for i in range(10)))
    assert Classifier(mobilenet.file, labels=str(path)).labels == tuple(f"thing {i}" for i in range(10))
    with pytest.raises(InputError, match="none.txt"):
        Classifier(mobilenet.file, labels=tmp_path / "none.txt")


def test_a_gray_model_takes_a_colour_photo(cases: Callable[[str], Case], photos: tuple[Path, Path]) -> None:
    lenet = cases("lenet")
    pixels = load_image(photos[0], 28, 28, channels=1).astype(np.float32)
    best = int(np.asarray(lenet.model(pixels[np.newaxis], training=False)).argmax())
    assert Classifier(lenet.file).classify(photos[0], top_k=1)[0].index == best


def test_a_model_that_takes_no_pictures(cases: Callable[[str], Case], photos: tuple[Path, Path]) -> None:
    conv1d = cases("conv1d")
    classifier = Classifier(conv1d.file)
    assert not classifier.takes_pictures
    with pytest.raises(InputError, match=r"does not take pictures: its input has shape \(1, 128, 6\); give an array"):
        classifier.classify(photos[0])
    found = classifier.classify(conv1d.inputs[0], top_k=1)[0]
    assert found.index == conv1d.scores[0].argmax()


def test_labels_of_the_file(mobilenet: Case, photos: tuple[Path, Path], tmp_path: Path) -> None:
    labels = [f"größe {i}" for i in range(10)]
    path = appended(mobilenet.file, tmp_path / "own.tflite", labels_txt="\n".join(labels) + "\n")
    classifier = Classifier(path)
    assert classifier.labels == tuple(labels)
    assert classifier.card == {}
    best = Classifier(mobilenet.file).classify(photos[0], 1)[0]
    assert classifier.classify(photos[0], 1) == [Prediction(labels[best.index], best.index, best.score)]


@pytest.mark.slow
def test_a_file_of_another_maker(mobilenet: Case, tmp_path: Path) -> None:
    bare = appended(mobilenet.file, tmp_path / "bare.tflite")
    assert Classifier(bare).labels == tuple(f"class_{i}" for i in range(10))
    # TensorFlow's examples use any name for the file.
    other = appended(mobilenet.file, tmp_path / "other.tflite", labelmap_txt="\n".join("abcdefghij"))
    assert Classifier(other).labels == tuple("abcdefghij")


def test_too_few_labels(mobilenet: Case, tmp_path: Path) -> None:
    path = appended(mobilenet.file, tmp_path / "few.tflite", labels_txt="cat\ndog\n")
    assert Classifier(path).labels[1] == "class_1"
    with pytest.raises(ModelFileError, match=f"{path} has 10 classes but there are 2 labels"):
        Classifier(path, labels=["cat", "dog"])


@pytest.mark.slow
def test_the_resize_policy_of_the_card(mobilenet: Case, tmp_path: Path, photos: tuple[Path, Path]) -> None:
    found: dict[str, Any] = {}
    for resize in ("crop", "pad", "stretch"):
        card = json.dumps({"preprocessing": {"resize": resize}})
        path = appended(mobilenet.file, tmp_path / f"{resize}.tflite", card_json=card)
        found[resize] = Classifier(path).classify(photos[0])
        pixels = load_image(photos[0], 96, 96, preprocessing=Preprocessing(resize))
        assert Classifier(path).classify(pixels) == found[resize]
    assert found["crop"] != found["pad"] != found["stretch"]


@pytest.mark.slow
def test_a_model_that_is_no_classifier(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    inputs = keras.Input(batch_shape=(1, 8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs))
    path = tmp_path / "map.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    with pytest.raises(ModelFileError, match=r"is no classifier: its outputs are \(1, 6, 6, 2\), not one"):
        Classifier(path)


def test_a_damaged_card(mobilenet: Case, tmp_path: Path) -> None:
    path = appended(mobilenet.file, tmp_path / "card.tflite", card_json="{not json")
    with pytest.raises(ModelFileError, match=f"the labels and card embedded in {path} are damaged"):
        Classifier(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*none\.tflite: No such file"):
        Classifier(tmp_path / "none.tflite")
    shutil.copy(__file__, tmp_path / "code.tflite")
    with pytest.raises(ModelFileError, match=r"code\.tflite is not a \.tflite file"):
        Classifier(tmp_path / "code.tflite")
