"""Exports of detectors: two outputs, what other programs need to decode them, and the check against Keras."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from tests import annotating, colours
from zoo.errors import ExportError, VerificationError
from zoo.export import to_tflite
from zoo.export.checking.calibration import listed_in
from zoo.export.checking.checks import check_file
from zoo.export.detectors import custom_metadata_of
from zoo.export.options import MODES, ExportOptions
from zoo.export.tflite import converter
from zoo.export.tflite.settings import Settings
from zoo.graph import rebuild
from zoo.models.detectors import anchored
from zoo.runner import Detector
from zoo.tflite import detectors, modelfile
from zoo.tflite.card import describe
from zoo.tflite.flatbuffer import Reader
from zoo.tflite.normalization import ENTRY, IDENTIFIER
from zoo.weights import is_untrained, load_model

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.export.conftest import Made

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("quantize", MODES)
def test_a_detectors_file_finds_what_is_there(made: Made, quantize: str) -> None:
    report = made(quantize)
    assert report.verification is not None
    assert report.verification.agreement.figures == {"same_objects": 1.0}
    detector = Detector(report.path)
    assert detector.preprocessing.resize == "stretch"
    for pixels in colours.pictures(6, seed=7):
        found = {(one.label, round((one.box.left + 1.5) // colours.CELL)) for one in detector.detect(pixels)}
        assert found == {(label, column) for label, _, column in colours.truth(pixels)}


def test_an_int8_file_has_uint8_ends_and_a_scale_for_each_output(made: Made) -> None:
    file = modelfile.read(made("int8").path)
    (entry,), (boxes, scores) = ([file.main.tensors[i] for i in ends] for ends in (file.main.inputs, file.main.outputs))
    assert (entry.dtype, boxes.dtype, scores.dtype) == ("UINT8", "UINT8", "UINT8")
    assert (boxes.name, scores.name) == ("boxes", "scores")
    assert (float(scores.scales[0]), int(scores.zero_points[0])) == (1 / 256, 0)
    assert 0 < float(boxes.scales[0]) != float(scores.scales[0])


@pytest.mark.parametrize(("io", "kind"), [("int8", "INT8"), ("float32", "FLOAT32")])
def test_other_ends_can_be_asked_for(made: Made, io: str, kind: str) -> None:
    report = made("int8", io=io)
    graph = modelfile.read(report.path).main
    assert {graph.tensors[i].dtype for i in (*graph.inputs, *graph.outputs)} == {kind}
    assert len(Detector(report.path).detect(colours.pictures(1)[0])) == 4


@pytest.mark.parametrize("swapped", [False, True])
def test_boxes_and_scores_are_told_apart_by_name_where_there_are_four_classes(tmp_path: Path, swapped: bool) -> None:
    model = colours.detector(4, swapped=swapped)
    report = to_tflite(model, tmp_path / "m.tflite", calibration=colours.pictures(), labels=colours.LABELS)
    graph = modelfile.read(report.path).main
    assert [graph.tensors[i].name for i in graph.outputs] == (["scores", "boxes"] if swapped else ["boxes", "scores"])
    assert report.verification is not None
    assert report.verification.agreement.share == 1
    pixels = colours.pictures(1)[0]
    assert sorted(one.label for one in Detector(report.path).detect(pixels)) == sorted(
        label for label, _, _ in colours.truth(pixels)
    )


def test_the_class_names_that_a_model_carries_are_those_of_its_file(tmp_path: Path) -> None:
    model = colours.detector()
    anchored.set_labels(model, colours.LABELS[:3])
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    report = to_tflite(loaded, tmp_path / "m.tflite", verify_file=False)
    assert list(describe(report.path).labels) == colours.LABELS[:3]
    named = to_tflite(loaded, tmp_path / "n.tflite", verify_file=False, labels=list("abc"))
    assert list(describe(named.path).labels) == list("abc")


def test_card_and_metadata_say_how_the_boxes_are_coded(made: Made) -> None:
    report = made("int8")
    card = report.card["detection"]
    assert card["anchors"] == 16
    assert card["grids"] == [[4, 4]]
    assert card["shapes"] == [[[0.25, 0.25]]]
    assert (report.card["threshold"], card["iou"]) == (0.5, 0.6)
    assert report.card["preprocessing"] == {"resize": "stretch"}
    file = modelfile.read(report.path)
    stated = detectors.stated(file)
    assert stated is not None
    np.testing.assert_array_equal(stated.anchors, anchored.anchors_of(colours.detector()))
    assert (stated.scales, stated.exponential, stated.sigmoid) == ((10, 10, 5, 5), True, False)
    root = Reader(file.metadata[ENTRY]).root(IDENTIFIER)
    assert root.text(7) == "1.5.0"  # the first version of the schema with custom metadata
    (graph,) = root.tables(3, "graphs", 2)
    location, score = graph.tables(3, "outputs", 9)
    assert (location.text(0), score.text(0)) == ("location", "score")
    content = location.table(3)
    assert content is not None
    assert content.number(0, "B") == 3  # BoundingBoxProperties
    (labels,) = score.tables(6, "files", 9)
    assert (labels.text(0), labels.number(2, "b")) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS


def test_anchors_that_the_file_states_wrongly_fail_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(task: Any) -> Any:
        heads = task.found.layout
        moved = replace(heads, anchors=heads.anchors + np.array([0.1, 0, 0, 0], np.float32))
        return right(replace(task, found=task.found._replace(layout=moved)))

    right = custom_metadata_of
    monkeypatch.setattr("zoo.export.describe.custom_metadata_of", wrong)
    with pytest.raises(VerificationError, match="finds the same objects as Keras on 0% of .* at least 95% are asked"):
        to_tflite(colours.detector(), tmp_path / "m.tflite", calibration=colours.pictures())
    assert not list(tmp_path.iterdir())


def test_a_fresh_detector_is_known_by_the_bias_that_its_scores_begin_with(tmp_path: Path) -> None:
    model = colours.detector(trained=False)
    assert np.unique(model.get_layer("ssd_class").bias) == np.float32(-4.6)
    assert is_untrained(model)
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8")
    assert report.card["weights"] == "random"
    assert report.verification is not None
    assert report.verification.asked == 0
    model.get_layer("ssd_class").bias.assign_add([0.01, 0, 0])
    assert not is_untrained(model)
    with pytest.raises(ExportError, match="give some tens of training pictures"):
        to_tflite(model, tmp_path / "m.tflite", quantize="int8")


def test_objects_of_a_random_head_are_not_judged(tmp_path: Path) -> None:
    model, examples = colours.detector(), colours.pictures()
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", calibration=examples, facts={"head": "random"})
    assert report.verification is not None
    assert report.verification.asked == 0
    assert "not judged" in report.notes[-1]


def test_it_is_said_where_keras_finds_nothing_on_the_pictures_of_the_check(tmp_path: Path) -> None:
    dark = np.random.default_rng(0).integers(0, 40, (24, 64, 64, 3)).astype(np.float32)
    report = to_tflite(colours.detector(), tmp_path / "m.tflite", quantize="int8", calibration=dark, min_agreement=0)
    assert any("Keras gives no object with a score of 0.5 for all 8 inputs" in note for note in report.notes)


def test_labelled_boxes_calibrate_and_name_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.export.checking.calibration.MIN_SAMPLES", 2)
    monkeypatch.setattr("zoo.export.checking.holdout.MIN_SAMPLES", 2)
    data = tmp_path / "data"
    annotating.roboflow_coco(data)
    assert {path.name for path in listed_in(data).by_class[""]} == {"a.jpg", "b.jpg", "c.jpg"}  # of the training split
    report = to_tflite(colours.detector(), tmp_path / "m.tflite", quantize="int8", calibration=data, min_agreement=0)
    assert report.card["calibration"]["source"] == "data"
    assert report.card["calibration"]["of"] == 3
    assert Detector(report.path).labels == annotating.NAMES


def test_a_detector_that_wants_scaled_pixels_gets_the_scaling_in_front(tmp_path: Path) -> None:
    def without_scaling(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if type(layer).__name__ == "Rescaling" else layer(*args, **kwargs)

    model, examples = rebuild(colours.detector(), without_scaling), colours.pictures()
    path = tmp_path / "m.tflite"
    report = to_tflite(model, path, quantize="int8", input_range=(-1, 1), calibration=examples)
    assert report.verification is not None
    assert report.verification.agreement.share == 1
    assert report.card["detection"]["anchors"] == 16
    assert len(Detector(path).detect(examples[0])) == 4


def test_operations_that_only_finish_the_outputs_stand_last_for_an_edge_tpu(made: Made) -> None:
    report = made("int8", target="edgetpu")
    assert report.edgetpu is not None
    order = [one.op for one in report.edgetpu.placements]
    last = max(i for i, op in enumerate(order) if op == "CONV_2D")
    assert set(order[last + 1 :]) == {"RESHAPE", "LOGISTIC", "QUANTIZE"}
    assert not set(order[:last]) & {"RESHAPE", "LOGISTIC"}
    assert all(one.on_tpu for one in report.edgetpu.placements)
    assert any("the last 5 operations only arrange the outputs" in line for line in report.edgetpu.lines())


def test_a_file_whose_graph_the_converter_lost_is_refused(tmp_path: Path) -> None:
    # What remains of a graph whose last operation was to become a custom one, once it is frozen: zeros.
    entry = keras.Input(batch_shape=(1, 8, 8, 3))
    zeros = keras.layers.Lambda(lambda x: keras.ops.zeros((1, 4)))(entry)
    path = tmp_path / "lost.tflite"
    path.write_bytes(converter.convert_in_memory(keras.Model(entry, zeros), Settings()))
    assert path.stat().st_size < 1000
    with pytest.raises(ExportError, match="the converter lost the graph: output .* does not depend on the input"):
        check_file(modelfile.read(path), ExportOptions())


def test_the_command_exports_a_saved_detector(cli: Cli, tmp_path: Path) -> None:
    colours.detector().save(tmp_path / "colours.keras")
    colours.save(tmp_path / "pictures")
    options = ["--calibration", str(tmp_path / "pictures"), "--out", str(tmp_path), "--quantize", "none,int8"]
    done = cli("export", tmp_path / "colours.keras", *options)
    assert done.code == 0, done.err
    assert "same objects" in done.out
    found = cli("run", tmp_path / "colours_int8.tflite", tmp_path / "pictures" / "00.png", "--json")
    assert found.code == 0, found.err
    assert len(json.loads(found.out)["predictions"]) == 4
