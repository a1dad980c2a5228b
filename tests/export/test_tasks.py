"""Exports for a task that the zoo does not have: two outputs, and its own names and agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tflite

from zoo.errors import ExportError, ModelFileError, VerificationError
from zoo.export import converter, to_tflite
from zoo.export.describe import output_names
from zoo.export.lowering import lower
from zoo.inputs.fit import Fit
from zoo.runner.predictor import Predictor
from zoo.tasks.task import Agreement, Array, Judge, Shape
from zoo.tflite import modelfile
from zoo.tflite.flatbuffer import Reader
from zoo.tflite.normalization import ENTRY, IDENTIFIER
from zoo.tflite.tags import OutputTag

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Spot:
    """The kind of a spot, and its place."""

    label: str
    index: int
    score: float
    place: tuple[float, ...]


@dataclass(frozen=True)
class Spotting:
    """A task of two outputs: scores `(batch, kinds)`, and a place `(batch, 2)`."""

    name: str = "spotting"
    noun: str = "spotter"
    columns: tuple[str, ...] = ("label", "index", "score", "place")
    output_tags: tuple[OutputTag, ...] = (
        OutputTag("kinds", "one a kind", has_labels=True),
        OutputTag("place", "down and right"),
    )

    def fault(self, shapes: Sequence[Shape]) -> str:
        return "" if [len(shape) for shape in shapes] == [2, 2] and shapes[1][1] == 2 else f"no spotter: {shapes}"

    def classes(self, shapes: Sequence[Shape]) -> int:
        return shapes[0][1]

    def decode(
        self, outputs: Sequence[Array], labels: tuple[str, ...], fit: Fit | None, limit: int | None
    ) -> list[Spot]:
        scores, place = outputs
        at = int(scores[0].argmax())
        return [Spot(labels[at], at, float(scores[0, at]), tuple(map(float, place[0])))]

    def judge(self, labels: tuple[str, ...]) -> Judge[Spot]:
        raise NotImplementedError

    def compare(self, first: Any, second: Any) -> Any:
        raise NotImplementedError

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array]) -> Agreement:
        near = (np.abs(reference[1] - outputs[1]) < 0.2).all(axis=1)
        return Agreement(float(near.mean()), "has the spot where Keras has it", {"near": float(near.mean())})

    def cells(self, found: Spot) -> tuple[object, ...]:
        return found.label, found.index, found.score, found.place

    def lines(self, found: Sequence[Spot]) -> list[str]:
        return [str(one) for one in found]

    def brief(self, found: Sequence[Spot]) -> str:
        return str(found)


SPOTTING = Spotting()
LABELS = ["dot", "ring", "cross"]


def spotter(structure: str = "list") -> Any:
    """Builds a model whose outputs would have the other order by their names."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    kinds = keras.layers.Dense(3, activation="softmax", name="z_kinds")(x)
    place = keras.layers.Dense(2, activation="tanh", name="a_place")(x)
    outputs = {"list": [kinds, place], "dictionary": {"1_kinds": kinds, "2_place": place}}[structure]
    return keras.Model(inputs, outputs, name="spotter")


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
    predictor = Predictor(report.path, task=SPOTTING)
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
    wrong = converter.convert(lower(other), converter.Settings())
    monkeypatch.setattr("zoo.export.tflite.convert", lambda *_: wrong)
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
