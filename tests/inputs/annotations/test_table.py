from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.annotating import picture
from zoo.errors import InputError
from zoo.inputs.annotations import find_boxes, holds_boxes


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    """A place for a table beside two pictures."""
    for name in ("1.jpg", "2.jpg"):
        picture(name).save(tmp_path / name)
    return tmp_path / "boxes.csv"


@pytest.mark.parametrize(
    "text",
    [
        "path,label,xmin,ymin,xmax,ymax\n1.jpg,dog,3,4,10,20\n2.jpg,,,,,\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,60,40,dog,3,4,10,20\n2.jpg,60,40,,,,,\n",
        "x1;y1;x2;y2;image;category\r\n3;4;10;20;1.jpg;dog\r\n;;;;2.jpg;\r\n",
        "1.jpg,dog,3,4,10,20\n2.jpg,,,,,\n",
        "1.jpg,3,4,10,20,dog\n2.jpg,,,,,\n",
        "sub\\1.jpg\tdog\t3.0\t4.0\t10.0\t20.0\nsub\\2.jpg\t\t\t\t\t\n",
    ],
)
def test_tables_with_and_without_a_header(listing: Path, text: str) -> None:
    listing.write_text(text)
    assert holds_boxes(listing)
    assert holds_boxes(listing.parent)
    one, two = find_boxes(listing).pictures
    assert (one.path.name, one.labels, two.path.name, two.labels) == ("1.jpg", ("dog",), "2.jpg", ())
    np.testing.assert_array_equal(one.boxes, [[3, 4, 10, 20]])


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("TRAIN,gs://bucket/a/1.jpg,dog,0.1,0.2,,,0.5,0.6,,\nTEST,gs://bucket/a/2.jpg,,,,,,,,,\n", ["train", "test"]),
        ("UNASSIGNED,1.jpg,dog,0.1,0.2,,,0.5,0.6,,\nUNASSIGNED,2.jpg,,,,,,,,,\n", [None, None]),
        ("training,1.jpg,dog,0.1,0.2,0.5,0.2,0.5,0.6,0.1,0.6\nvalidation,2.jpg\n", ["train", "validation"]),
        ("1.jpg,dog,0.1,0.2,,,0.5,0.6,,\n2.jpg,,,,,,,,,\n", [None, None]),
        ("1.jpg,dog,0.1,0.2,0.5,0.2,0.5,0.6,0.1,0.6\n2.jpg\n", [None, None]),
    ],
)
def test_tables_of_automl_are_read(listing: Path, text: str, splits: list[str | None]) -> None:
    listing.write_text(text)
    assert holds_boxes(listing)
    assert holds_boxes(listing.parent)
    data = find_boxes(listing.parent)
    one, two = data.pictures
    assert (one.path.name, one.labels, two.path.name, two.labels) == ("1.jpg", ("dog",), "2.jpg", ())
    assert [one.split, two.split] == splits
    assert one.relative
    np.testing.assert_array_equal(one.boxes, [[0.1, 0.2, 0.5, 0.6]])
    assert not data.remarks


def test_a_class_may_be_a_number(listing: Path) -> None:
    listing.write_text("1.jpg,7,3,4,10,20\n")
    assert find_boxes(listing).class_names == ("7",)


def test_the_split_of_a_line_counts(listing: Path) -> None:
    listing.write_text("1.jpg,dog,3,4,10,20,train\n1.jpg,cup,30,4,40,20,train\n2.jpg,dog,3,4,10,20,valid\n")
    assert [(one.split, one.labels) for one in find_boxes(listing).pictures] == [
        ("train", ("dog", "cup")),
        ("validation", ("dog",)),
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("1.jpg,dog,3,4,10,", "malformed"),
        ("1.jpg,,3,4,10,20", "malformed"),
        ("1.jpg,dog,3,4,ten,20", "malformed"),
        (",dog,3,4,10,20", "malformed"),
        ("1.jpg,dog", "malformed"),
        ("1.jpg,dog,3,4,10,20,somewhere", "malformed"),
        ("gone.jpg,dog,3,4,10,20", "no_picture"),
        ("../1.png,dog,3,4,10,20", "no_picture"),
    ],
)
def test_a_line_that_is_left_out_is_told(listing: Path, line: str, kind: str) -> None:
    listing.write_text(f"path,label,xmin,ymin,xmax,ymax,split\n1.jpg,cup,3,4,10,20,\n2.jpg,cup,3,4,10,20,\n{line}\n")
    data = find_boxes(listing)
    assert [one.labels for one in data.pictures] == [("cup",), ("cup",)]
    (remark,) = data.remarks
    assert (remark.kind, remark.count) == (kind, 1)
    assert remark.first.startswith(f"{listing}, line 4")


def test_a_picture_that_is_not_there_is_counted_once(listing: Path) -> None:
    listing.write_text("gone.jpg,dog,3,4,10,20\n" * 5 + "1.jpg,dog,3,4,10,20\n2.jpg,,,,,\n")
    assert [(remark.kind, remark.count) for remark in find_boxes(listing).remarks] == [("no_picture", 1)]


def test_tables_of_classes_are_none_of_boxes(listing: Path) -> None:
    for text in ("path,label\n1.jpg,dog\n", "1.jpg,dog,train\n", "path,xmin,ymin,xmax,ymax\n1.jpg,1,2,3,4\n", ""):
        listing.write_text(text)
        assert not holds_boxes(listing)


def test_two_formats_in_one_folder_are_refused_and_one_can_be_named(listing: Path) -> None:
    listing.write_text("1.jpg,dog,3,4,10,20\n")
    listing.with_name("1.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match=r"boxes in several formats, YOLO and CSV: keep the files of one, or give"):
        find_boxes(listing.parent)
    assert find_boxes(listing).format == "CSV"
