"""The server on an `.onnx` file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

pytest.importorskip("onnx", reason="needs onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

from tests import detectors
from tests.onnx import runnable
from zoo.runner import Classifier, Detector

if TYPE_CHECKING:
    from tests.serve.conftest import Serving


def png(pixels: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")  # type: ignore[arg-type]
    return content.getvalue()


def test_pictures_are_named(serving: Serving, tmp_path: Path) -> None:
    path = runnable.colours(tmp_path / "c.onnx", props=runnable.described())
    with serving(Classifier(path, trusted=True)) as site:
        model = site.get("/v1/model").json
        answer = site.post(png(detectors.cells(*((row, column, "blue") for row in range(4) for column in range(4)))))
    assert (model["runtime"], model["macs"], model["labels"]) == ("onnxruntime", None, list(detectors.COLOURS))
    # The channels come last there, whatever the file's order is.
    assert model["input"]["shape"] == [8, 8, 3]
    assert "GlobalAveragePool" in [op["op"] for op in model["ops"]]
    assert answer.json["predictions"][0]["label"] == "blue"


def test_objects_are_found(serving: Serving, tmp_path: Path) -> None:
    with serving(Detector(runnable.detector(tmp_path / "d.onnx"), trusted=True)) as site:
        answer = site.post(png(detectors.cells((3, 0, "red"), size=128)), "/v1/detect")
    (found,) = answer.json["predictions"]
    assert (found["label"], found["box"]) == ("red", [0, 96, 32, 128])
