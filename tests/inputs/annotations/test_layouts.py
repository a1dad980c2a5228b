from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.annotating import LAYOUTS, NAMES, SCENES, expected
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


@pytest.mark.parametrize("tool", ["Roboflow COCO", "CVAT VOC", "LabelImg YOLO"])
def test_what_reads_classes_says_what_reads_boxes(tmp_path: Path, tool: str) -> None:
    LAYOUTS[tool][0](tmp_path / "data")
    with pytest.raises(InputError, match="zoo data check reads boxes, but no detector can be trained yet"):
        find_labelled(tmp_path / "data")
