"""Whatever a file holds, what is given out is JSON that every parser reads, and tells of the model alone."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from zoo.errors import InputError
from zoo.page.about import CARD, EXACT, public_card
from zoo.runner import Classifier, Prediction
from zoo.serve.answers import DEPTH, LINE, one_line, to_bytes

if TYPE_CHECKING:
    from tests.serve.conftest import Serving

DIGITS = Path(zoo.__file__).parent / "assets/demo/digits_int8.tflite"
DIGIT = next((DIGITS.parent / "pictures").glob("*/*.png")).read_bytes()


def strictly(text: bytes) -> Any:
    """Parses JSON as the strictest of parsers do."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    def whole(digits: str) -> int:
        assert len(digits) < 20
        assert abs(int(digits)) <= EXACT
        return int(digits)

    def real(digits: str) -> float:
        assert math.isfinite(float(digits))
        return float(digits)

    def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    found = json.loads(
        text.decode("utf-8"), parse_constant=refuse, parse_int=whole, parse_float=real, object_pairs_hook=named_once
    )
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # lone surrogates cannot be
    return found


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


NASTY: list[Any] = [
    math.nan, math.inf, -math.inf, 10**5000, -(2**64), "\ud800", "\x1b[31m\x9b\u202e\x00", "x" * 100_000, nested(400),
    {"a": {"b": nested(400)}}, [math.nan] * 3, None, True, {"\udfff": 1}, 1e308,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(NASTY)))
def test_json_is_valid_whatever_it_is_made_of(number: int) -> None:
    assert "a" in strictly(to_bytes({"a": NASTY[number], "b": [NASTY[number]]}))


def test_honest_values_stay_as_they_are() -> None:
    value = {"a": [1, 0.25, "größer 花 👩‍🚀 مرحبا", None, True, {"b": EXACT}], "c": nested(DEPTH - 2)}
    assert strictly(to_bytes(value)) == value
    assert "größer 花".encode() in to_bytes(value)


def test_a_prediction_is_an_object_of_its_fields() -> None:
    sent = to_bytes({"predictions": [Prediction("cat", 3, 0.25), Prediction("dog", 1, math.nan)]})
    assert strictly(sent)["predictions"] == [
        {"label": "cat", "index": 3, "score": 0.25},
        {"label": "dog", "index": 1, "score": None},
    ]


def test_what_a_terminal_obeys_is_escaped_in_json() -> None:
    text = "\x1b[31m\x9b\u202e\x7f"
    sent = to_bytes({"label": text})
    assert sent.decode().isprintable()
    assert json.loads(sent)["label"] == text


def test_a_refusal_is_one_short_line_that_can_be_shown() -> None:
    line = one_line("a\n\tb \x1b[31m\u202e\x9b" + "x" * 10_000)
    assert line.startswith(r"a b \x1b[31m\u202e\x9b")
    assert line.isprintable()
    assert len(line) < LINE + 50


LIES: list[Any] = [*NASTY, {"bytes": NASTY, "shape": NASTY, "resize": NASTY[6], "sha256": 3}]


@pytest.mark.parametrize("number", range(len(LIES)))
def test_a_card_that_lies_about_everything(number: int) -> None:
    card = dict.fromkeys([*CARD, "more"], LIES[number])
    found = strictly(to_bytes(public_card(card)))
    assert set(found) <= set(CARD)
    assert len(to_bytes(found)) < 20_000


def test_the_card_that_visitors_see_is_about_the_model() -> None:
    card = {
        "model": "mobilenet_v2",
        "params": 3_538_984,
        "weights": "trained",
        "weights_from": "/home/anna/private/weights.h5",
        "author": "anna@laptop",
        "trained_on": "/home/anna/pictures of the children",
        "license": "CC-BY-4.0",
        "options": {"alpha": 0.35, "input_size": 96, "data": "~/pictures"},
        "calibration": {"source": "/home/anna/pictures", "count": 200, "sha256": "ab", "files": ["anna.jpg"]},
        "made_with": {"python": "3.11.7", "host": "laptop"},
        "flatbuffer": {"bytes": 5, "sha256": "cd", "crc32": 7},
    }
    assert public_card(card) == {
        "model": "mobilenet_v2",
        "params": 3_538_984,
        "weights": "trained",
        "license": "CC-BY-4.0",
        "options": {"alpha": 0.35, "input_size": 96, "data": None},
        "calibration": {"count": 200},
        "flatbuffer": {"bytes": 5, "sha256": "cd", "crc32": 7},
    }


def test_the_card_of_a_detector_shows_what_its_boxes_are_worth() -> None:
    detection = {"anchors": 1917, "grids": [[19, 19]], "shapes": [[[0.1, 0.1]]]}
    card = {"detection": detection, "threshold": 0.5, "map": 0.41, "map_on": {"split": "test", "count": 90}}
    shown = public_card({**card, "verification": {"inputs": 32, "same_objects": 1.0}})
    assert shown["detection"] == {"anchors": 1917}
    assert shown["threshold"] == 0.5
    assert (shown["map"], shown["map_on"]) == (0.41, {"split": "test", "count": 90})
    assert shown["verification"]["same_objects"] == 1.0


@pytest.mark.parametrize(
    "place",
    [
        "/home/anna",
        "~/x",
        "~anna",
        "C:\\Users\\anna",
        "from /data/x y",
        "(/srv/x)",
        "file:///x",
        "\\\\host\\share",
        "/root",
    ],
)
def test_places_on_a_disk_are_not_given_out(place: str) -> None:
    assert public_card({"model": place, "options": {"data": place}}) == {"options": {"data": None}}


def test_addresses_on_the_web_are() -> None:
    card = Classifier(DIGITS).card
    assert "https://doi.org/" in card["trained_on"]
    assert public_card(card)["trained_on"] == card["trained_on"]


def test_a_file_that_holds_anything_gives_valid_json(serving: Serving) -> None:
    classifier = Classifier(DIGITS, labels=["\ud800", "\x1b[31m", *map(str, range(8))])
    classifier.card = dict.fromkeys(CARD, NASTY)
    classifier.predict = lambda *_: [Prediction("\udfff\u202e", 0, math.nan)]  # type: ignore[method-assign]
    with serving(classifier) as site:
        for path in ("/openapi.json", "/healthz", "/nothing"):
            strictly(site.get(path).body)
        found = strictly(site.get("/v1/model").body)
        assert found["labels"][:2] == ["\ufffd", "\x1b[31m"]
        predictions = strictly(site.post(DIGIT).body)["predictions"]
        assert predictions == [{"label": "\ufffd\u202e", "index": 0, "score": None}]


def test_a_name_of_a_file_that_a_terminal_would_obey(serving: Serving, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31m\u202e\n.tflite"
    shutil.copy(DIGITS, path)
    with serving(Classifier(path)) as site:
        assert strictly(site.get("/v1/model").body)["file"] == path.name
        metrics = site.get("/metrics").body.decode()
        assert r'file="\\x1b[31m\\u202e\n.tflite"' in metrics
        assert "\x1b" not in metrics


def test_an_error_names_no_folder(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier(DIGITS)

    def fail(*_: Any) -> Any:
        raise InputError(f"{classifier.session.path} does not take this\x1b[31m")

    monkeypatch.setattr(classifier, "predict", fail)
    with serving(classifier) as site:
        reply = site.post(DIGIT)
        assert (reply.status, reply.error) == (400, r"digits_int8.tflite does not take this\x1b[31m")
