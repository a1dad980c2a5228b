"""The labels and the card in the properties of an `.onnx` file."""

from __future__ import annotations

import json

import pytest

from zoo.errors import ModelFileError
from zoo.onnx.card import BLOBS, CARD, LABELS, is_sealed, props_of, read_metadata, read_props

LABELLED = ["cat", "Hündin", "名前"]


def test_a_description_is_read_as_it_was_written() -> None:
    props = props_of({"model": "lenet", "classes": 3}, LABELLED)
    found = read_props(props, "m.onnx")
    assert found.labels == tuple(LABELLED)
    assert found.card["model"] == "lenet"
    assert is_sealed(props, "m.onnx") == "right"


def test_metadata_are_read_as_they_were_written() -> None:
    props = props_of({}, LABELLED, {"DETECTOR_METADATA": b"\0\xff anchors"})
    assert read_metadata(props, "m.onnx") == {"DETECTOR_METADATA": b"\0\xff anchors"}


def test_a_file_of_others_has_no_description() -> None:
    found = read_props({"producer": "somebody", LABELS: "cat\n"}, "m.onnx")
    assert (found.labels, found.card) == ((), {})
    assert is_sealed({"producer": "somebody"}, "m.onnx") == "none"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{0: 'cat', 1: \"crow's nest\", 2: 'Hündin'}", ("cat", "crow's nest", "Hündin")),
        ("{0: 'cat'}", ("cat",)),
        ("{1: 'cat', 2: 'dog'}", ()),
        ("{0: __import__('os').abort()}", ()),
        ("{0: 'cat'", ()),
        ("['cat', 'dog']", ()),
        ("{" + "0: 'a', " * 200_000, ()),
        ("", ()),
    ],
)
def test_the_names_that_ultralytics_writes_are_labels(text: str, labels: tuple[str, ...]) -> None:
    assert read_props({"names": text}, "m.onnx").labels == labels


@pytest.mark.parametrize("key", [CARD, LABELS])
def test_a_change_breaks_the_seal(key: str) -> None:
    props = props_of({"model": "lenet"}, LABELLED)
    changed = props[key].replace("lenet", "other").replace("cat", "dog")
    assert is_sealed({**props, key: changed}, "m.onnx") == "wrong"


@pytest.mark.parametrize("card", ["", "{", "[" * 100_000, "{" + '"a":' * 40 + "1", '{"a": 1' + "0" * 30 + "}"])
def test_a_damaged_card_is_an_error_of_one_line(card: str) -> None:
    with pytest.raises(ModelFileError, match=r"labels and card embedded in m\.onnx are damaged") as caught:
        read_props({CARD: card}, "m.onnx")
    assert "\n" not in str(caught.value)


def test_labels_without_end_are_refused() -> None:
    with pytest.raises(ModelFileError, match="labels"):
        read_props({CARD: "{}", LABELS: "\n" * 2_000_000}, "m.onnx")


def test_a_card_that_is_no_object_is_none() -> None:
    assert read_props({CARD: json.dumps([1])}, "m.onnx").card == {}


def test_damaged_metadata_are_an_error_of_one_line() -> None:
    with pytest.raises(ModelFileError, match="damaged metadata"):
        read_metadata({BLOBS + "DETECTOR_METADATA": "no Base64!"}, "m.onnx")
