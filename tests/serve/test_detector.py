"""A server of a detector: its address, and boxes in pixels of the picture that was sent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests import detectors
from zoo.runner import Detector

if TYPE_CHECKING:
    from tests.serve.conftest import Serving


def test_objects_are_answered_with_their_boxes(serving: Serving, tmp_path: Path) -> None:
    file = detectors.two_outputs(tmp_path / "colours.tflite")
    picture = io.BytesIO()
    Image.fromarray(detectors.cells((0, 1, "red"), size=128)).save(picture, "PNG")
    with serving(Detector(file)) as site:
        model = site.get("/v1/model").json
        assert (model["task"], model["endpoint"]) == ("detection", "/v1/detect")
        (found,) = site.post(picture.getvalue(), "/v1/detect").json["predictions"]
        fields = site.get("/openapi.json").json["components"]["schemas"]["Prediction"]
    assert found["label"] == "red"
    assert found["box"] == pytest.approx([32, 0, 64, 32])
    assert fields["required"] == ["label", "index", "score", "box"]
