"""Exports for a task that the zoo does not have: two outputs, and its own names and agreement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tflite

from tests.spotting import LABELS, SPOTTING, Spot, spotter
from zoo.errors import ExportError, ModelFileError, VerificationError
from zoo.export import to_tflite
from zoo.export.describe import output_names
from zoo.export.lower.lowering import lower
from zoo.export.tflite import converter
from zoo.export.tflite.settings import Settings
from zoo.runner.predictor import Predictor
from zoo.tflite import modelfile
from zoo.tflite.flatbuffer import Reader
from zoo.tflite.normalization import ENTRY, IDENTIFIER

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures() -> Any:
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.float32)


def said_of_outputs(path: Path) -> list[str]:
    """Returns the names of the outputs in a file's metadata; the numbers are slots of metadata_schema.fbs."""
    (graph,) = Reader(modelfile.read(path).metadata[ENTRY]).root(IDENTIFIER).tables(3, "graphs", 2)
    return [tensor.text(0) for tensor in graph.tables(3, "outputs", 9)]


@pytest.mark.parametrize(
    ("quantize", "on_disk", "structure", "tolerance"),
    [
        ("none", False, "list", 1e-5),
        ("none", True, "list", 1e-5),
        ("none", False, "dictionary", 1e-5),
        ("int8", False, "list", 0.05),
        ("int8", True, "dictionary", 0.05),
    ],
)
def test_a_task_of_two_outputs_goes_all_the_way(
    quantize: str,
    on_disk: bool,
    structure: str,
    tolerance: float,
    pictures: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if on_disk:
        monkeypatch.setattr(converter, "LARGE_BYTES", 0)
    model = spotter(structure)
    report = to_tflite(
        model, tmp_path / "m.tflite", quantize=quantize, labels=LABELS, task=SPOTTING, calibration=pictures
    )
    assert report.verification
    assert report.verification.agreement.meaning == "has the spot where Keras has it"
    assert report.verification.max_diff < tolerance
    assert report.card["verification"]["near"] == 1
    assert report.card["task"] == "spotting"
    predictor: Predictor[Spot] = Predictor(report.path, task=SPOTTING)
    kinds, place = (np.asarray(one) for one in keras.tree.flatten(model(pictures[:4], training=False)))
    for i in range(4):
        outputs = predictor.outputs(pictures[i])
        np.testing.assert_allclose(outputs[0], kinds[i : i + 1], atol=tolerance)
        np.testing.assert_allclose(outputs[1], place[i : i + 1], atol=tolerance)
        (spot,) = predictor.predict(pictures[i])
        assert spot.label in LABELS
        assert spot.place == pytest.approx(place[i], abs=tolerance)
    # Other readers find both by name: in the signature as the layers are called, in the metadata as the task says.
    signature = tflite.Model.GetRootAs(report.path.read_bytes(), 0).SignatureDefs(0)
    named = {signature.Outputs(i).Name(): signature.Outputs(i).TensorIndex() for i in range(2)}
    graph = tflite.Model.GetRootAs(report.path.read_bytes(), 0).Subgraphs(0)
    assert named == {b"z_kinds": graph.Outputs(0), b"a_place": graph.Outputs(1)}
    assert said_of_outputs(report.path) == ["kinds", "place"]
    assert tflite.Model.GetRootAs(report.path.read_bytes(), 0).SignatureDefsLength() == 1


def test_a_file_that_disagrees_by_the_tasks_own_measure_is_not_kept(
    pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = spotter()
    other.get_layer("a_place").bias.assign([3.0, -3.0])
    wrong = converter.convert(lower(other), Settings())
    monkeypatch.setattr("zoo.export.tflite.exporter.convert", lambda *_: wrong)
    with pytest.raises(VerificationError, match="has the spot where Keras has it on 0% of"):
        to_tflite(spotter(), tmp_path / "m.tflite", labels=LABELS, task=SPOTTING, calibration=pictures)
    assert not list(tmp_path.iterdir())


def test_a_scaling_in_front_knows_the_task(pictures: Any, tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(3, name="kinds")(x), keras.layers.Dense(2, name="place")(x)])
    report = to_tflite(model, tmp_path / "m.tflite", task=SPOTTING, input_range=(0, 1), calibration=pictures)
    outputs = Predictor(report.path, task=SPOTTING).outputs(pictures[0])
    for ours, theirs in zip(outputs, model(pictures[:1] / 255), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_outputs_that_are_not_the_tasks(tmp_path: Path, pictures: Any) -> None:
    inputs = keras.Input((4,))
    one = keras.Model(inputs, keras.layers.Dense(3)(inputs), name="one")
    with pytest.raises(ExportError, match="one is no spotter"):
        to_tflite(one, tmp_path / "m.tflite", task=SPOTTING)
    with pytest.raises(ExportError, match="spotter is no classifier: its outputs are"):
        to_tflite(spotter(), tmp_path / "m.tflite")
    with pytest.raises(ExportError, match="spotter has 2 outputs; a softmax can be left out of a single one"):
        to_tflite(spotter(), tmp_path / "m.tflite", task=SPOTTING, logits=True)
    assert not list(tmp_path.iterdir())
    path = to_tflite(one, tmp_path / "one.tflite").path
    with pytest.raises(ModelFileError, match="no spotter"):
        Predictor(path, task=SPOTTING)


def test_outputs_of_one_layer_and_of_a_nested_model_have_names_of_their_own() -> None:
    inputs = keras.Input((4,), name="in")
    nested = keras.Model(inputs, [keras.layers.Dense(2, name="b")(inputs), keras.layers.Dense(2, name="a")(inputs)])
    outside = keras.Input((4,))
    assert output_names(keras.Model(outside, nested(outside))) == ("b", "a")
    assert output_names(keras.Model(outside, nested(outside)[::-1])) == ("a", "b")
    shared = keras.layers.Dense(2, name="shared")
    twice = keras.Model(outside, [shared(outside), shared(keras.ops.multiply(outside, 2))])
    assert output_names(twice) == ("shared", "shared_1")
