"""A server of a detector: its address, its parameters, and boxes in pixels of the picture that was sent."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from PIL import Image

from tests import detectors
from zoo.runner import Detector

if TYPE_CHECKING:
    from tests.serve.conftest import Serving, Site


def encoded(*filled: tuple[int, int, str], turned: bool = False) -> bytes:
    """A picture of 128x128 pixels with coloured cells; with one that is turned by EXIF, of 128x64."""
    picture = io.BytesIO()
    image = Image.fromarray(detectors.cells(*filled, size=128))
    exif = Image.Exif()
    if turned:
        image = image.crop((0, 0, 128, 64)).rotate(90, expand=True)
        exif[274] = 6  # turned to the right to be upright
    image.save(picture, "PNG", exif=exif)
    return picture.getvalue()


@pytest.fixture(scope="module")
def site(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    file = detectors.two_outputs(tmp_path_factory.mktemp("detector") / "colours.tflite")
    with serving(Detector(file)) as found:
        yield found


def test_objects_are_answered_with_their_boxes(site: Site) -> None:
    model = site.get("/v1/model").json
    assert (model["task"], model["endpoint"], model["threshold"]) == ("detection", "/v1/detect", 0.5)
    answer = site.post(encoded((0, 1, "red")), "/v1/detect").json
    (found,) = answer["predictions"]
    assert found["label"] == "red"
    assert found["box"] == pytest.approx([32, 0, 64, 32])
    assert answer["picture"] == [128, 128]
    fields = site.get("/openapi.json").json["components"]["schemas"]["Prediction"]
    assert fields["required"] == ["label", "index", "score", "box"]


def test_the_size_of_the_picture_is_that_of_the_upright_one(site: Site) -> None:
    answer = site.post(encoded((0, 3, "blue"), turned=True), "/v1/detect").json
    assert answer["picture"] == [128, 64]
    assert max(found["box"][2] for found in answer["predictions"]) == pytest.approx(128)


SCENE = [(0, 1, "red"), (2, 2, "blue"), (3, 0, "red")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["blue", "red", "red"]),
        ("?only=red", ["red", "red"]),
        ("?only=blue,%20green", ["blue"]),
        ("?limit=1&only=blue", ["blue"]),
        ("?limit=2&only=red&threshold=0.9&iou=1", ["red", "red"]),
        ("?threshold=1", []),
    ],
)
def test_a_request_says_what_to_look_for(site: Site, query: str, expected: list[str]) -> None:
    found = site.post(encoded(*SCENE), f"/v1/detect{query}").json["predictions"]
    assert sorted(one["label"] for one in found) == expected


def test_a_low_threshold_finds_more_of_one_picture_alone(site: Site) -> None:
    picture = encoded(*SCENE)
    more = site.post(picture, "/v1/detect?threshold=0").json["predictions"]
    assert len(more) > len(SCENE)
    assert {one["score"] < 0.5 for one in more[len(SCENE) :]} == {True}
    assert len(site.post(picture, "/v1/detect").json["predictions"]) == len(SCENE)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("threshold=2", "threshold='2' is not allowed; give a number from 0 to 1"),
        ("threshold=nan", "threshold='nan' is not allowed; give a number from 0 to 1"),
        ("threshold=", "threshold='' is not allowed; give a number from 0 to 1"),
        ("iou=-0.1", "iou='-0.1' is not allowed; give a number from 0 to 1"),
        ("iou=" + "1" * 60, f"iou='{'1' * 40}' is not allowed; give a number from 0 to 1"),
        ("limit=0", "limit='0' is not allowed; give 1 or more"),
        ("top_k=5", "there is no parameter 'top_k'; /v1/detect takes threshold, iou, limit, only"),
        ("treshold=0.5", "there is no parameter 'treshold'; did you mean 'threshold'? "),
        ("only=rad", "'rad' is none of the classes of the file (red, green, blue); did you mean 'red'?"),
        ("only=", "'' is none of the classes of the file (red, green, blue)"),
        ("only=" + quote('"red'), '"red is no list of names ('),
        ("only=" + quote('"red, green"'), "'red, green' is none of the classes of the file (red, green, blue)"),
        ("only=" + quote("<b>\u202e\n"), "'<b>"),
    ],
)
def test_a_parameter_that_is_wrong_is_one_line(site: Site, query: str, line: str) -> None:
    reply = site.post(encoded(), f"/v1/detect?{query}")
    assert reply.status == 400
    assert reply.error.startswith(line)
    assert "\u202e" not in reply.error


def test_the_document_has_the_parameters_that_are_read(site: Site) -> None:
    post = site.get("/openapi.json").json["paths"]["/v1/detect"]["post"]
    assert [one["name"] for one in post["parameters"]] == ["threshold", "iou", "limit", "only"]
    query = "&".join(f"{one['name']}={one['schema'].get('default', 'red')}" for one in post["parameters"])
    assert site.post(encoded((1, 1, "red")), f"/v1/detect?{query}").status == 200


def test_the_address_of_another_task_names_the_right_one(site: Site) -> None:
    reply = site.post(encoded(), "/v1/classify")
    assert (reply.status, reply.error) == (404, "the file is a detector: send pictures to /v1/detect")
    assert site.get("/detekt").error == "there is nothing here; did you mean '/v1/detect'? see /openapi.json"
