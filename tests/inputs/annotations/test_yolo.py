from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.annotating import NAMES, label_studio_yolo, picture, ultralytics
from zoo.errors import InputError
from zoo.inputs.annotations import find_boxes, holds_boxes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures with their labels, in Label Studio's layout."""
    label_studio_yolo(tmp_path)
    return tmp_path


def add(folder: Path, *lines: str) -> Path:
    """Adds lines to the labels of `a.jpg`, which has two."""
    path = folder / "labels" / "a.txt"
    path.write_text(path.read_text() + "\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("1 0.5 0.5 0.1", "malformed"),
        ("dog 0.5 0.5 0.1 0.1", "malformed"),
        ("-1 0.5 0.5 0.1 0.1", "malformed"),
        ("1 0.5 0.5 nan 0.1", "malformed"),
        ("1 0.5 0.5 0.1 0.1 0.2 0.2 0.3", "malformed"),
        ("99999999 0.5 0.5 0.1 0.1", "malformed"),
        ("3 0.5 0.5 0.1 0.1", "unknown"),
        ("1 0.2 0.1 0.4 0.2 0.3 0.5 0.1 0.4", "rotated"),
    ],
)
def test_a_line_that_is_left_out_is_told(folder: Path, line: str, kind: str) -> None:
    path = add(folder, line)
    data = find_boxes(folder)
    assert data.pictures[0].labels == ("dog", "cup")
    (remark,) = data.remarks
    assert (remark.kind, remark.count) == (kind, 1)
    assert remark.first.startswith(f"{path}, line 3")


def test_the_score_of_a_model_behind_a_box_is_passed_over(folder: Path) -> None:
    add(folder, "0 0.5 0.5 0.2 0.4 0.93")
    data = find_boxes(folder)
    np.testing.assert_allclose(data.pictures[0].boxes[2], [0.4, 0.3, 0.6, 0.7])
    assert data.remarks == ()


def test_an_upright_box_of_four_corners_is_a_box(folder: Path) -> None:
    add(folder, "0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6")
    data = find_boxes(folder)
    np.testing.assert_allclose(data.pictures[0].boxes[2], [0.1, 0.2, 0.5, 0.6])
    assert data.remarks == ()


def test_outlines_become_the_boxes_around_them(folder: Path) -> None:
    """Where some have another number of corners than four, those of four are outlines, too, and no rotated boxes."""
    add(folder, "0 0.1 0.2 0.5 0.3 0.3 0.6", "1 0.2 0.1 0.4 0.2 0.3 0.5 0.1 0.4")
    data = find_boxes(folder)
    np.testing.assert_allclose(data.pictures[0].boxes[2:], [[0.1, 0.2, 0.5, 0.6], [0.1, 0.1, 0.4, 0.5]])
    assert [(remark.kind, remark.count) for remark in data.remarks] == [("outline", 2)]


def test_a_picture_without_a_label_file_has_no_objects_and_is_told(folder: Path) -> None:
    picture("new").save(folder / "images" / "new.jpg")
    (folder / "labels" / "gone.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    data = find_boxes(folder)
    assert {one.path.name: len(one.labels) for one in data.pictures}["new.jpg"] == 0
    assert [(r.kind, r.count, Path(r.first).name) for r in data.remarks] == [
        ("no_picture", 1, "gone.txt"),
        ("without_file", 1, "new.jpg"),
    ]


def test_without_names_the_numbers_are_the_names(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    data = find_boxes(folder)
    assert data.class_names == ("0", "1", "2")
    assert "they are called by their numbers" in data.notes[0]


def test_two_lists_of_names_that_differ_are_refused(folder: Path) -> None:
    (folder / "labels" / "classes.txt").write_text("\n".join(NAMES) + "\n")
    assert find_boxes(folder).class_names == NAMES
    (folder / "labels" / "classes.txt").write_text("\n".join(NAMES[::-1]) + "\n")
    with pytest.raises(InputError, match=r"name different classes, .*: keep one list"):
        find_boxes(folder)


def test_one_folder_for_two_splits_names_none(tmp_path: Path) -> None:
    ultralytics(tmp_path)
    for part in ("images", "labels"):
        (tmp_path / part / "train").rename(tmp_path / part / "all")
        (tmp_path / part / "val").rename(tmp_path / part / "more")
    settings = tmp_path / "data.yaml"
    text = settings.read_text().replace("images/train", "images/all")
    settings.write_text(text.replace("images/val", "images/all"))
    assert {one.split for one in find_boxes(tmp_path).pictures} == {None}
    settings.write_text(text.replace("images/val", "images/more"))
    assert {one.split for one in find_boxes(tmp_path).pictures} == {"train", "validation"}


def test_notes_beside_pictures_are_no_labels(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        picture(name).save(tmp_path / name / "1.jpg")
        (tmp_path / name / "1.txt").write_text("12 photos by me, 2 3 4 5\n")
        (tmp_path / name / "2.xml").write_text("<x:xmpmeta/>")
        (tmp_path / name / "meta.json").write_text('{"images": []}')
    assert not holds_boxes(tmp_path)
