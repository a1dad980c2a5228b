from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.annotating import LAYOUTS, NAMES, SCENES, expected, picture
from zoo.errors import InputError
from zoo.inputs.annotations import find_boxes, ground_truth, holds_boxes
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
