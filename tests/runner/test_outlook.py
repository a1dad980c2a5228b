"""What is told of a file's input and scores without loading it is what the runner does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo.runner.demo
from tests import detectors
from zoo.runner import Predictor
from zoo.runner.outlook import outlook
from zoo.tflite import modelfile
from zoo.tflite.modelfile import ModelFile

if TYPE_CHECKING:
    from tests.conftest import Cli

FILE = zoo.runner.demo.folder() / "digits_int8.tflite"
FLOAT = {"dtype": "FLOAT32", "scales": np.zeros(0, np.float32), "zero_points": np.zeros(0, np.int64)}


def changed(**changes: Any) -> ModelFile:
    """Returns the demo's file as another tool might have made it, with an input that differs."""
    file = modelfile.read(FILE)
    (index,) = file.main.inputs
    tensors = list(file.main.tensors)
    tensors[index] = tensors[index]._replace(**changes)
    return file._replace(graphs=(file.main._replace(tensors=tuple(tensors)),), metadata={})


def test_a_file_of_ours(cli: Cli) -> None:
    predictor: Predictor[Any] = Predictor(FILE)
    assert predictor.normalization is None
    found = outlook(modelfile.read(FILE), predictor.card)
    size = f"{predictor.picture.width}x{predictor.picture.height}"
    assert found == {
        "task": "classification, 10 classes",
        "input": f"gray pictures of {size} (width x height); pixels 0..255 as they are",
        "scores": "probabilities, shown in percent",
    }
    shown = cli("inspect", FILE).out
    assert f"task: {found['task']}\ntakes: {found['input']}\nscores: {found['scores']}\n" in shown


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"shape": (1, 3, 40, 32)}, "RGB pictures of 32x40 (width x height), the channels first; pixels 0..255 as"),
        ({"shape": (1, 28, 28)}, "gray pictures of 28x28 (width x height), without an axis of channels; pixels"),
        ({"shape": (1, 128, 6)}, "values of shape (128, 6), as a .npy or .csv file"),
        ({"scales": np.array([0.0047]), "zero_points": np.array([213])}, "pixels scaled by (pixel - 127.5) / 127.5"),
        ({"dtype": "BOOL"}, "refused: "),
        ({"dtype": "STRING"}, "refused: "),
        ({**FLOAT, "dtype": "INT8"}, "--input-range -128,127"),
        ({"shape": (1, 1, 1, 3), "dynamic": True}, "refused: its size is open"),
    ],
)
def test_files_of_others(changes: dict[str, Any], expected: str) -> None:
    assert expected in outlook(changed(**changes), {})["input"]


def test_what_is_assumed_is_told() -> None:
    found = outlook(changed(**FLOAT), {})
    assert "does not say how its pixels are scaled" in found["note"]
    assert "note" not in outlook(changed(), {})


def test_scores_that_are_no_probabilities_and_outputs_that_are_no_scores() -> None:
    assert outlook(changed(), {"output": "logits"})["scores"].startswith("no probabilities")
    file = changed()
    (index,) = file.main.outputs
    tensors = list(file.main.tensors)
    tensors[index] = tensors[index]._replace(shape=(1, 8, 8, 3))
    other = file._replace(graphs=(file.main._replace(tensors=tuple(tensors)),))
    assert outlook(other, {})["input"].startswith("refused: the file is no classifier")
    two = file._replace(graphs=(file.main._replace(inputs=(*file.main.inputs, index)),))
    assert outlook(two, {})["input"] == "refused: it has 2 inputs; only models with one are supported"


def test_a_detector_says_where_its_boxes_come_from(tmp_path: Path, cli: Cli) -> None:
    path = detectors.two_outputs(tmp_path / "colours.tflite", sigmoid=False)
    found = outlook(modelfile.read(path), {})
    assert found["task"] == "detection, 3 classes"
    assert found["boxes"].startswith("one for each of 16 anchors, coded as in SSD (scales 10, 10, 5, 5, sizes as")
    assert found["threshold"].startswith("0.5, the least score of an object")
    assert f"task: detection, 3 classes\ntakes: {found['input']}\n" in cli("inspect", path).out
    four = outlook(modelfile.read(detectors.four_outputs(tmp_path / "four.tflite", (3, 1, 0, 2), most=7)), {})
    assert four["boxes"] == "at most 7, decoded in the file by TFLite_Detection_PostProcess"
    assert "overlap" not in four["threshold"], "the file has left them out itself"


def test_boxes_that_cannot_be_decoded_say_why(tmp_path: Path) -> None:
    found = outlook(modelfile.read(detectors.raw_outputs(tmp_path / "raw.tflite")), {})
    assert found["task"] == "detection"
    assert found["input"].endswith("no detector that can be decoded: the anchors of its 16 boxes are not in the file")
