"""Whatever bytes and values a stranger's annotation file holds, it is read or refused in our own words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.annotating import coco_document, label_img_voc, label_studio_yolo, own_csv, roboflow_coco, ultralytics
from zoo.errors import ZooError
from zoo.inputs.annotations import find_boxes, ground_truth

FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "COCO": (roboflow_coco, "train/_annotations.coco.json"),
    "VOC": (label_img_voc, "a.xml"),
    "YOLO labels": (label_studio_yolo, "labels/a.txt"),
    "YOLO names": (label_studio_yolo, "classes.txt"),
    "YOLO settings": (ultralytics, "data.yaml"),
    "CSV": (own_csv, "boxes.csv"),
}


@pytest.fixture(scope="module", params=FILES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A data set, one of its files, and what is in it."""
    write, name = FILES[request.param]
    root = tmp_path_factory.mktemp("strangers") / "data"
    write(root)
    return root, root / name, (root / name).read_bytes()


def read(root: Path) -> None:
    """Reads a data set; no other error than ours may come of it."""
    with contextlib.suppress(ZooError):
        for _, boxes in ground_truth(find_boxes(root)):
            assert np.isfinite(boxes.boxes).all()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_damaged_files(place: tuple[Path, Path, bytes], data: st.DataObject) -> None:
    root, path, sound = place
    begin = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(begin, min(len(sound), begin + 20)))
    put = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"-", b"\n", b'"', b"[", b"9" * 400, b"nan", b":", b"<"]))
    )
    path.write_bytes(sound[:begin] + put + sound[end:])
    read(root)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["images", "annotations", "categories"]),
    st.integers(0, 2),
    st.sampled_from(
        [
            "id",
            "image_id",
            "category_id",
            "bbox",
            "iscrowd",
            "attributes",
            "file_name",
            "width",
            "name",
            "supercategory",
        ]
    ),
    VALUES,
)
def test_values_of_any_type_in_a_coco_document(
    tmp_path_factory: pytest.TempPathFactory, part: str, row: int, key: str, value: Any
) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    if not root.exists():
        roboflow_coco(root)
    document = coco_document(("train",))
    document[part][row][key] = value
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(document))
    read(root)
