"""A server of a file for a task that is none of the zoo's: the API has the task's address, fields and words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spotting import LABELS, Spot
from zoo.runner import Predictor

if TYPE_CHECKING:
    from tests.serve.conftest import Serving, Site

pytestmark = pytest.mark.usefixtures("spotting_known")


@pytest.fixture
def spots(serving: Serving, spotter_file: Path, spotting_known: None) -> Iterator[Site]:
    with serving(Predictor(spotter_file)) as site:
        yield site


def test_it_says_what_the_predictor_says(spots: Site, spotter_file: Path, photos: tuple[Path, Path]) -> None:
    predictor: Predictor[Spot] = Predictor(spotter_file)
    for photo in photos:
        (expected,) = predictor.predict(photo)
        (found,) = spots.post(photo.read_bytes(), "/v1/spot").json["predictions"]
        assert (found["label"], found["index"]) == (expected.label, expected.index)
        # In pixels of the photo that was sent.
        assert found["place"] == pytest.approx(expected.place, abs=1e-3)
    assert spots.post(photos[0].read_bytes(), "/v1/classify").status == 404


def test_the_model_and_the_document_name_the_task(spots: Site) -> None:
    model = spots.get("/v1/model").json
    assert (model["task"], model["endpoint"], model["labels"]) == ("spotting", "/v1/spot", LABELS)
    document = spots.get("/openapi.json").json
    assert document["paths"]["/v1/spot"]["post"]["summary"] == "Finds the spot in a picture."
    assert "/v1/classify" not in document["paths"]
    fields = document["components"]["schemas"]["Prediction"]
    assert fields["required"] == ["label", "index", "score", "place"]
    assert fields["properties"]["place"] == {"type": "array", "items": {"type": "number"}}
