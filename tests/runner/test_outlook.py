"""What is told of a file's input and scores without loading it is what the runner does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo.runner.demo
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
    tensors[index] = replace(tensors[index], **changes)
    return replace(file, graphs=(replace(file.main, tensors=tuple(tensors)),), metadata={})


def test_a_file_of_ours(cli: Cli) -> None:
    predictor: Predictor[Any] = Predictor(FILE)
    assert predictor.normalization is None
    found = outlook(modelfile.read(FILE), predictor.card)
    size = f"{predictor.picture.width}x{predictor.picture.height}"
    assert found == {
        "input": f"gray pictures of {size} (width x height); pixels 0..255 as they are",
        "scores": "probabilities, shown in percent",
    }
    shown = cli("inspect", FILE).out
    assert f"takes: {found['input']}\nscores: {found['scores']}\n" in shown


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
    tensors[index] = replace(tensors[index], shape=(1, 8, 8, 3))
    other = replace(file, graphs=(replace(file.main, tensors=tuple(tensors)),))
    assert outlook(other, {})["input"].startswith("refused: the file is no classifier")
    two = replace(file, graphs=(replace(file.main, inputs=(*file.main.inputs, index)),))
    assert outlook(two, {})["input"] == "refused: it has 2 inputs; only models with one are supported"
