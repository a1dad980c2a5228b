from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotating import SCENES, picture, voc_xml
from zoo.errors import InputError
from zoo.inputs.annotations import find_boxes, voc
from zoo.inputs.annotations.voc import read_xml

OBJECTS = SCENES["train"]["a.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture and its annotation, two objects."""
    picture("a.jpg").save(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text(voc_xml("a.jpg", OBJECTS))
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("<xmin>33</xmin>", "", "malformed"),
        ("<xmin>33</xmin>", "<xmin>wide</xmin>", "malformed"),
        ("<xmin>33</xmin>", "<xmin>inf</xmin>", "malformed"),
        ("<name>cup</name>", "<name> </name>", "malformed"),
        ("<name>cup</name>", "<name>cup</name><robndbox><cx>1</cx></robndbox>", "rotated"),
        ("<name>cup</name>", "<name>cup</name><attributes><attribute><name>rotation</name><value>12.5</value>"
         "</attribute></attributes>", "rotated"),
    ],
)  # fmt: skip
def test_an_object_that_is_left_out_is_told(folder: Path, old: str, new: str, kind: str) -> None:
    text = (folder / "a.xml").read_text()
    assert old in text
    (folder / "a.xml").write_text(text.replace(old, new))
    data = find_boxes(folder)
    assert data.pictures[0].labels == ("dog",)
    assert [(remark.kind, remark.count, remark.first) for remark in data.remarks] == [
        (kind, 1, f"{folder / 'a.xml'}, object 1")
    ]


def test_an_unrotated_object_of_cvat_is_kept(folder: Path) -> None:
    rotation = "<attributes><attribute><name>rotation</name><value>0.0</value></attribute></attributes>"
    text = (folder / "a.xml").read_text().replace("<name>cup</name>", f"<name>cup</name>{rotation}")
    (folder / "a.xml").write_text(text)
    assert find_boxes(folder).pictures[0].labels == ("dog", "cup")


def test_the_files_own_name_counts_before_the_name_in_it(folder: Path) -> None:
    """In renamed data the name in the file is that of another picture."""
    picture("b.jpg").save(folder / "b.jpg")
    (folder / "b.xml").write_text(voc_xml("a.jpg", OBJECTS[:1]))
    assert {one.path.name: len(one.labels) for one in find_boxes(folder).pictures} == {"a.jpg": 2, "b.jpg": 1}


def test_what_has_no_counterpart_is_told(folder: Path) -> None:
    (folder / "gone.xml").write_text(voc_xml("gone.jpg", OBJECTS))
    picture("new.jpg").save(folder / "new.jpg")
    assert [(remark.kind, remark.count) for remark in find_boxes(folder).remarks] == [
        ("no_picture", 1), ("unlisted", 1),
    ]  # fmt: skip


def test_a_size_of_zero_states_none(folder: Path) -> None:
    (folder / "a.xml").write_text(voc_xml("a.jpg", OBJECTS, (0, 0)))
    assert find_boxes(folder).pictures[0].size is None


BOMB = '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;">]><annotation><filename>&m;</filename></annotation>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation><filename>&x;</filename></annotation>'
DTD = '<!DOCTYPE annotation SYSTEM "http://127.0.0.1:1/voc.dtd"><annotation/>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "declares a document type"),
        (EXTERNAL, "declares a document type"),
        (DTD, "declares a document type"),
        ("<annotation>" * 1000, "stand within each other"),
        ("<annotation><size>", "no element found"),
        ("", "no element found"),
        ("<annotation>\0</annotation>", "is no XML that is read here"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_hostile_or_damaged_file_is_refused(tmp_path: Path, text: str, words: str, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(InputError, match=words) as raised:
        read_xml(path)
    assert "\n" not in str(raised.value)


def test_an_encoding_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text('<?xml version="1.0" encoding="rot13"?><annotation/>')
    with pytest.raises(InputError, match="is no XML that is read here"):
        read_xml(tmp_path / "a.xml")


def test_a_damaged_file_is_told_and_the_others_are_read(folder: Path) -> None:
    picture("b.jpg").save(folder / "b.jpg")
    (folder / "b.xml").write_text(BOMB)
    data = find_boxes(folder)
    assert [one.path.name for one in data.pictures] == ["a.jpg"]
    assert data.remarks[0].kind == "malformed"
    assert "declares a document type" in data.remarks[0].first


def test_the_size_of_a_file_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voc, "MOST_BYTES", 1 << 20)
    with (folder / "a.xml").open("a") as file:
        file.write(" " * (1 << 20))
    with pytest.raises(InputError, match="has more than 1 MB"):
        read_xml(folder / "a.xml")
