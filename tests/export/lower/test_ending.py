"""What a model's answers are, and how its file is checked and named for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo.errors import ExportError, ModelFileError, VerificationError
from zoo.export import to_tflite
from zoo.export.checking.calibration import synthetic
from zoo.export.lower.ending import ending_of, with_two_classes
from zoo.export.lower.lowering import lower
from zoo.export.tflite.converter import convert
from zoo.export.tflite.settings import Settings
from zoo.runner import Classifier
from zoo.tflite.card import describe

PICTURES = synthetic((8, 8, 3), 40).inputs


def body(length: int = 8) -> tuple[Any, Any]:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    large = keras.initializers.RandomNormal(stddev=0.5, seed=2)
    return inputs, keras.layers.Dense(length, "relu", kernel_initializer=large, bias_initializer=large)(x)


def nested(inputs: Any, x: Any) -> Any:
    inner = keras.Input(x.shape[1:])
    return keras.Model(inner, keras.layers.Dense(1, activation="sigmoid", name="inner")(inner))(x)


SIGMOIDS = {
    "a dense layer": lambda _, x: keras.layers.Dense(1, activation="sigmoid")(x),
    "a layer of its own": lambda _, x: keras.layers.Activation("sigmoid")(keras.layers.Dense(1)(x)),
    "an operation": lambda _, x: keras.ops.sigmoid(keras.layers.Dense(1)(x)),
    "a nested model": nested,
    "a convolution": lambda _, x: keras.layers.Reshape((1,))(
        keras.layers.Conv2D(1, 1, activation="sigmoid")(keras.layers.Reshape((1, 1, 8))(x))
    ),
    "a dropout behind": lambda _, x: keras.layers.Dropout(0.1)(keras.layers.Dense(1, activation="sigmoid")(x)),
}


@pytest.mark.parametrize("end", SIGMOIDS.values(), ids=SIGMOIDS.keys())
def test_a_single_sigmoid_becomes_two_classes_with_the_same_answers(end: Any) -> None:
    inputs, x = body()
    model = keras.Model(inputs, end(inputs, x), name="binary")
    two = with_two_classes(model)
    assert two.outputs[0].shape == (None, 2)
    assert ending_of(two).answers == "class"
    p = np.asarray(model(PICTURES)).reshape(-1, 1)
    np.testing.assert_allclose(np.asarray(two(PICTURES)), np.concatenate([1 - p, p], axis=1), atol=1e-6)


ENDS = {
    "softmax": (keras.layers.Dense(3, activation="softmax"), "class"),
    "softmax alone": (lambda x: keras.layers.Softmax()(keras.layers.Dense(3)(x)), "class"),
    "softmax operation": (lambda x: keras.ops.softmax(keras.layers.Dense(3)(x)), "class"),
    "reshaped softmax": (lambda x: keras.layers.Reshape((4,))(keras.layers.Dense(4, activation="softmax")(x)), "class"),
    "logits": (keras.layers.Dense(3), "class"),
    "sigmoids": (keras.layers.Dense(3, activation="sigmoid"), "labels"),
    "unit vectors": (
        lambda x: keras.layers.UnitNormalization()(keras.layers.Dense(3, bias_initializer="ones")(x)),
        "values",
    ),
    "features": (lambda x: x, "values"),
}


@pytest.mark.parametrize(("end", "answers"), ENDS.values(), ids=ENDS.keys())
def test_what_a_model_ends_in(end: Any, answers: str) -> None:
    inputs, x = body()
    model = keras.Model(inputs, end(x))
    assert ending_of(model).answers == answers
    assert with_two_classes(model) is model
    outside = keras.Input((8, 8, 3))
    assert ending_of(keras.Sequential([outside, model])).answers == answers


@pytest.mark.slow
def test_two_names_go_all_the_way(tmp_path: Path) -> None:
    inputs, x = body()
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x), name="binary")
    report = to_tflite(model, tmp_path / "m.tflite", labels=["cat", "dog"], calibration=PICTURES)
    assert any("'cat' where it is near 0, 'dog' where it is near 1" in note for note in report.notes)
    assert describe(report.path).labels == ("cat", "dog")
    assert report.card["classes"] == 2
    for picture, p in zip(PICTURES[:4], np.asarray(model(PICTURES[:4]))[:, 0], strict=True):
        found = {one.label: one.score for one in Classifier(report.path).classify(picture)}
        assert found == pytest.approx({"cat": 1 - p, "dog": p}, abs=1e-5)


@pytest.mark.parametrize("activation", [None, "tanh", "softmax"])
def test_a_single_number_that_is_no_sigmoid_is_refused(activation: Any, tmp_path: Path) -> None:
    inputs, x = body()
    model = keras.Model(inputs, keras.layers.Dense(1, activation=activation, name="last")(x), name="one")
    with pytest.raises(ExportError, match="one ends in a single number without a sigmoid .Dense 'last'.*from_logits"):
        to_tflite(model, tmp_path / "m.tflite")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Keras' own, of a softmax over one
@pytest.mark.parametrize(
    ("end", "meaning", "figure", "output"),
    [
        ("sigmoids", "decides every label as Keras", "decisions", "independent probabilities of the labels"),
        ("unit vectors", "gives values close to Keras'", "cosine", "values, no scores of classes"),
        ("logits", "names the same class as Keras", "top1", "logits"),
        ("softmax", "names the same class as Keras", "top1", "probabilities of the classes"),
    ],
)
def test_a_file_is_checked_by_its_own_measure(
    end: str, meaning: str, figure: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, x = body()
    model = keras.Model(inputs, ENDS[end][0](x), name="m")
    report = to_tflite(model, tmp_path / "m.tflite", calibration=PICTURES)
    assert report.verification
    assert meaning in report.verification.agreement.meaning
    assert report.card["verification"][figure] == pytest.approx(1)
    assert report.card["output"] == output
    # A file that gives every picture the same answer, be it Keras' answer to one of them.
    blind = keras.Model(inputs, model(inputs * 0 + PICTURES[0]))
    wrong = convert(lower(blind), Settings())
    monkeypatch.setattr("zoo.export.tflite.exporter.convert", lambda *_: wrong)
    with pytest.raises(VerificationError, match=meaning):
        to_tflite(model, tmp_path / "w.tflite", calibration=PICTURES)
    assert not (tmp_path / "w.tflite").exists()


@pytest.mark.slow
def test_a_foreign_file_of_one_sigmoid_has_two_classes(tmp_path: Path) -> None:
    inputs, x = body()
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    (tmp_path / "m.tflite").write_bytes(convert(lower(model), Settings()))
    classifier = Classifier(tmp_path / "m.tflite", labels=["cat", "dog"])
    p = float(np.asarray(model(PICTURES[:1]))[0, 0])
    assert {one.label: one.score for one in classifier.classify(PICTURES[0])} == pytest.approx(
        {"cat": 1 - p, "dog": p}, abs=1e-5
    )
    quantity = keras.Model(inputs, keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(40))(x))
    (tmp_path / "q.tflite").write_bytes(convert(lower(quantity), Settings()))
    with pytest.raises(ModelFileError, match="single value, .* which is no probability"):
        Classifier(tmp_path / "q.tflite").classify(PICTURES[0])
