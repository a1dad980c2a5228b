"""The checksums in the card of an `.onnx` file."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx")

from tests.onnx.nets import picture_net, save
from zoo.errors import ModelFileError
from zoo.export.onnx.props import with_props
from zoo.onnx.card import CARD, LABELS, props_of
from zoo.onnx.digest import check
from zoo.onnx.reading import outline
from zoo.runner import load

COLOURS = ["cat", "dog", "owl"]


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.onnx"
    path.write_bytes(with_props(picture_net(), {"model": "tiny"}, COLOURS, {"ANCHORS": b"of a detector"}))
    return path


def places(path: Path, *texts: bytes) -> list[int]:
    content = path.read_bytes()
    return [content.index(text) for text in texts]


@pytest.mark.parametrize("thorough", [False, True])
def test_a_file_as_it_was_written_is_right(ours: Path, *, thorough: bool) -> None:
    assert check(ours, thorough=thorough) == "right"
    assert outline.read_props(ours).keys() == {CARD, LABELS, "edgezoo.metadata.ANCHORS"}


@pytest.mark.parametrize("thorough", [False, True])
def test_a_changed_bit_anywhere_is_noticed(ours: Path, *, thorough: bool) -> None:
    """The fields with weights, labels, metadata and card, their keys too; the structure has no say in this."""
    whole = ours.read_bytes()
    weights = next(at for at in range(len(whole)) if whole[at : at + 2] == b"w\x4a")  # name and raw_data of a tensor
    for at in (weights + 40, *places(ours, b"cat", LABELS.encode(), b"ANCHORS", CARD.encode(), b"tiny")):
        ours.write_bytes(whole[:at] + bytes([whole[at] ^ 2]) + whole[at + 1 :])
        assert check(ours, thorough=thorough) == "wrong", whole[at : at + 8]


def test_what_is_added_or_cut_off_is_noticed(ours: Path) -> None:
    whole = ours.read_bytes()
    ours.write_bytes(whole + b"\x1a\x01x")  # another producer_version
    assert check(ours) == "wrong"
    ours.write_bytes(whole[:2] + b"\x1a\x01x" + whole[2:])
    assert check(ours) == "wrong"


def test_a_file_without_a_checksum_is_accepted(tmp_path: Path) -> None:
    theirs = save(picture_net(), tmp_path / "theirs.onnx")
    assert check(theirs) == "none"
    older = save(picture_net(props=props_of({"model": "tiny"}, COLOURS)), tmp_path / "older.onnx")
    assert check(older) == "none"


@pytest.mark.parametrize("stated", ["a text", {}, {"bytes": 3}, []])
def test_a_checksum_that_is_none_is_wrong(tmp_path: Path, stated: object) -> None:
    path = save(picture_net(props=props_of({"contents": stated}, COLOURS)), tmp_path / "odd.onnx")
    assert check(path) == "wrong"


def test_a_damaged_file_is_refused_in_one_line_unless_it_is_trusted(ours: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    load(ours)
    whole = ours.read_bytes()
    at = next(at for at in range(len(whole)) if whole[at : at + 2] == b"w\x4a") + 40
    ours.write_bytes(whole[:at] + bytes([whole[at] ^ 2]) + whole[at + 1 :])
    with pytest.raises(ModelFileError, match=r"ours\.onnx was changed, or damaged, after it was written: .*--trusted"):
        load(ours)
    load(ours, trusted=True)
