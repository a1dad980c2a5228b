from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests import annotating
from tests.annotating import LAYOUTS, NAMES, SCENES, expected, picture
from zoo.errors import InputError
from zoo.inputs.annotations import find_boxes, ground_truth, holds_boxes
from zoo.inputs.annotations.pictures import Folder
from zoo.inputs.labelled import find_labelled


@pytest.mark.parametrize("tool", LAYOUTS)
def test_every_tools_layout_states_the_same(tmp_path: Path, tool: str) -> None:
    write, form, splits = LAYOUTS[tool]
    write(tmp_path / "data")
    assert holds_boxes(tmp_path / "data")
    data = find_boxes(tmp_path / "data")
    assert (data.format, data.class_names) == (form, NAMES)
    wanted = expected()
    if tool == "Roboflow CSV":
        assert wanted.pop("b.jpg") == []  # the format cannot state it
    found = {path.name: (boxes.labels, boxes.boxes) for path, boxes in ground_truth(data)}
    assert set(found) == set(wanted)
    for name, objects in wanted.items():
        labels, boxes = found[name]
        assert list(labels) == [label for label, _ in objects]
        np.testing.assert_allclose(boxes, np.array([box for _, box in objects]).reshape(-1, 4), atol=1e-3)
    theirs = {one.path.name: one.split for one in data.pictures}
    if splits:
        assert theirs == {
            name: "train" if split == "train" else "validation"
            for split, scenes in SCENES.items()
            for name in scenes
            if name in wanted
        }
    else:
        assert set(theirs.values()) == {None}
    kinds = {remark.kind: remark.count for remark in data.remarks}
    assert kinds == ({"unlisted": 1} if tool == "Roboflow CSV" else {})


def test_cvats_own_format_is_told_with_what_to_export(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture("a").save(tmp_path / "images" / "a.jpg")
    (tmp_path / "annotations.xml").write_text("<annotations><version>1.1</version></annotations>")
    assert holds_boxes(tmp_path)
    with pytest.raises(InputError, match=r"CVAT's own annotations.xml: export the task as COCO 1.0, Pascal VOC 1.1 or"):
        find_boxes(tmp_path)


@pytest.mark.parametrize("layout", [("images/a.jpg", "annotations/a.json"), ("JPEGImages/a.jpg", "Annotations/a.md")])
def test_a_layout_for_boxes_without_any_is_told(tmp_path: Path, layout: tuple[str, ...]) -> None:
    for name in layout:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    assert holds_boxes(tmp_path)
    with pytest.raises(InputError, match="no annotations of boxes that are read here: COCO JSON, Pascal VOC XML"):
        find_boxes(tmp_path)


@pytest.mark.parametrize("tool", ["Roboflow COCO", "CVAT VOC", "LabelImg YOLO"])
def test_what_reads_classes_says_what_reads_boxes(tmp_path: Path, tool: str) -> None:
    LAYOUTS[tool][0](tmp_path / "data")
    with pytest.raises(InputError, match="a detector of zoo list learns from boxes"):
        find_labelled(tmp_path / "data")


@pytest.mark.parametrize("name", ["pipe.xml", "pipe.csv", "pipe.json", "pipe.txt", "pipe.yaml", "pipe.jpg"])
def test_a_named_pipe_in_the_folder_is_not_waited_for(tmp_path: Path, name: str) -> None:
    annotating.roboflow_voc(tmp_path)
    before = [one.path for one in find_boxes(tmp_path).pictures]
    os.mkfifo(tmp_path / name)
    (tmp_path / f"link-{name}").symlink_to(name)
    (tmp_path / f"zero-{name}").symlink_to("/dev/zero")
    assert holds_boxes(tmp_path)
    assert [one.path for one in find_boxes(tmp_path).pictures] == before


def _in_shares(root: Path) -> None:
    """Divides the numbers of boxes of a COCO, VOC or CSV data set by the sides of the pictures."""
    width, height = annotating.SIZE
    for path in root.rglob("*.json"):
        document = json.loads(path.read_text())
        for one in document["annotations"]:
            one["bbox"] = [side / whole for side, whole in zip(one["bbox"], (width, height) * 2, strict=True)]
        path.write_text(json.dumps(document))
    for path in root.rglob("*.xml"):
        path.write_text(
            re.sub(
                r"<([xy])(min|max)>([\d.]+)<",
                lambda at: f"<{at[1]}{at[2]}>{float(at[3]) / (width if at[1] == 'x' else height)}<",
                path.read_text(),
            )
        )
    for path in root.rglob("*.csv"):
        rows = list(csv.reader(path.read_text().splitlines()))
        sides = [rows[0].index(name) for name in ("xmin", "ymin", "xmax", "ymax")]
        for row in rows[1:]:
            for at, whole in zip(sides, (width, height) * 2, strict=True):
                row[at] = row[at] and str(float(row[at]) / whole)
        path.write_text("\n".join(map(",".join, rows)))


@pytest.mark.parametrize("tool", [annotating.roboflow_coco, annotating.roboflow_voc, annotating.roboflow_csv])
def test_boxes_in_shares_of_the_sides_are_taken_as_such_and_it_is_said(
    tmp_path: Path, tool: Callable[[Path], None]
) -> None:
    tool(tmp_path)
    before = {path: (boxes.labels, boxes.boxes) for path, boxes in ground_truth(find_boxes(tmp_path))}
    assert not any("shares" in note for note in find_boxes(tmp_path).notes)
    _in_shares(tmp_path)
    data = find_boxes(tmp_path)
    assert sum("shares of the picture's width and height" in note for note in data.notes) == 1
    for path, boxes in ground_truth(data):
        labels, expected = before[path]
        assert boxes.labels == labels
        np.testing.assert_allclose(boxes.boxes, expected, atol=0.01)


def test_yolos_boxes_in_pixels_are_noted(tmp_path: Path) -> None:
    annotating.roboflow_yolo(tmp_path)
    assert not any("pixels" in note for note in find_boxes(tmp_path).notes)
    for path in tmp_path.rglob("labels/*.txt"):
        lines = [line.split() for line in path.read_text().splitlines()]
        path.write_text("\n".join(" ".join([line[0], *(str(60 * float(one)) for one in line[1:])]) for line in lines))
    assert any("the boxes seem to be in pixels" in note for note in find_boxes(tmp_path).notes)


@pytest.mark.parametrize(
    "text", ["filename,class,x,y,w,h\na.jpg,dog,1,2,3,4\n", 'image_id,label,bbox\na.jpg,dog,"[1, 2, 3, 4]"\n']
)
def test_a_table_of_boxes_in_another_form_is_told_with_the_columns_it_needs(tmp_path: Path, text: str) -> None:
    annotating.picture("a.jpg").save(tmp_path / "a.jpg")
    (tmp_path / "labels.csv").write_text(text)
    for path in (tmp_path, tmp_path / "labels.csv"):
        assert holds_boxes(path)
        with pytest.raises(InputError, match=r"no CSV file of path,label,xmin,ymin,xmax,ymax.*; it begins with "):
            find_boxes(path)


@pytest.mark.parametrize(
    "line", ["cup 0.5 0.5 0.1 0.1", "0,0.5,0.5,0.1,0.1", "0.0 0.5 0.5 0.1 0.1", "0 0,5 0,5 0,1 0,1", "0 1 2"]
)
def test_the_first_line_of_yolos_files_that_is_not_read_is_told(tmp_path: Path, line: str) -> None:
    annotating.roboflow_yolo(tmp_path)
    for path in tmp_path.rglob("labels/*.txt"):
        path.write_text(line)
    with pytest.raises(InputError) as raised:
        find_boxes(tmp_path)
    assert f"line 1, {line!r}, is not 'class x y width height'" in str(raised.value)


@pytest.mark.parametrize("tool", [annotating.roboflow_coco, annotating.label_img_voc])
def test_copies_in_a_folder_further_down_do_not_hide_the_picture_itself(
    tmp_path: Path, tool: Callable[[Path], None]
) -> None:
    tool(tmp_path)
    before = [(one.path, one.labels) for one in find_boxes(tmp_path).pictures]
    for path, _ in before:
        (path.parent / "small").mkdir(exist_ok=True)
        (path.parent / "small" / path.name).write_bytes(path.read_bytes())
    data = find_boxes(tmp_path)
    assert [(one.path, one.labels) for one in data.pictures] == before
    assert {one.kind: one.count for one in data.remarks}["unlisted"] == len(before)


def test_many_folders_of_files_of_the_same_names_take_no_longer_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(40):
        (tmp_path / "images" / f"scene{i}").mkdir(parents=True)
        (tmp_path / "images" / f"scene{i}" / "colour.jpg").write_bytes(b"")
    looked_at: list[int] = []
    closest = Folder._closest

    def counted(self: Folder, found: Sequence[Path], parts: Sequence[str], near: Path) -> Path | None:
        looked_at.append(len(found))
        return closest(self, found, parts, near)

    monkeypatch.setattr(Folder, "_closest", counted)
    folder = Folder(tmp_path)
    for i in range(40):
        place = tmp_path / "images" / f"scene{i}" / "colour.jpg"
        for near in (tmp_path, tmp_path / "images", tmp_path / "annotations"):
            assert folder.find(f"scene{i}/colour.jpg", near) == place
        assert folder.beside(place.with_suffix(".xml")) == place
    assert max(looked_at) == 1
