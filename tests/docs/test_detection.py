"""docs/detection.md: from a labelled folder to boxes, as one reader would type it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, of_language
from zoo.tflite import modelfile
from zoo.tflite.detectors import stated

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage
    from tests.docs.runner import Runner

PAGE = "docs/detection.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(run_page: RunPage) -> Runner:
    return run_page(PAGE, empty=True)


@pytest.mark.slow
def test_the_labels_are_fine_and_the_anchors_cover_them(ran: Runner) -> None:
    said = ran.said("zoo data check belt")
    assert re.search(r"^pictures +60 +20 +80 *$", said, re.MULTILINE)
    assert "format: COCO, 80 pictures" in said
    assert "odd entries" not in said


@pytest.mark.slow
def test_it_learns_and_int8_is_as_good(ran: Runner) -> None:
    rows = json.loads((ran.folder / "run" / "files.json").read_text())
    assert [row["mode"] for row in rows] == ["keras", "none", "int8"]
    keras, full, small = (row["map"] for row in rows)
    assert keras > 0.3
    assert full == pytest.approx(keras, abs=0.005)
    assert small == pytest.approx(keras, abs=0.05)


@pytest.mark.slow
def test_what_it_finds_is_said_drawn_and_counted(ran: Runner) -> None:
    found = re.findall(r"^ *(letter|parcel) +(\d+)%", ran.said("zoo run run/"), re.MULTILINE)
    assert found
    assert (ran.folder / "found.jpg").stat().st_size > 1000
    assert "mAP" in ran.said("zoo evaluate")
    board = json.loads(ran.said("docker run --rm -v").splitlines()[-1])
    assert {one["label"] for one in board["predictions"]} <= {"letter", "parcel"}
    assert re.search(r"^(letter|parcel) [01]\.\d+ \[\d+, \d+, \d+, \d+\]$", ran.said("from zoo.runner"), re.MULTILINE)


@pytest.mark.slow
def test_the_file_is_what_the_page_says(ran: Runner) -> None:
    path = ran.folder / "run" / "ssdlite_mobilenet_v2_0.35_128_int8.tflite"
    file = modelfile.read(path)
    shapes = [file.main.tensors[at].shape for at in (*file.main.inputs, *file.main.outputs)]
    anchors = stated(file)
    assert anchors is not None
    count = len(anchors.anchors)
    assert shapes == [(1, 128, 128, 3), (1, count, 4), (1, count, 2)]
    assert (anchors.scales, anchors.exponential, anchors.sigmoid) == ((10, 10, 5, 5), True, False)
    assert [modelfile.read(ran.folder / "model_int8.tflite").main.tensors[at].shape[-1] for at in file.main.inputs]


def test_it_answers_every_complaint_of_the_field() -> None:
    table = TEXT.split("| what goes wrong elsewhere | here |")[1].split("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    assert len(rows) == 18
    assert all(answer.strip() for _, answer in rows)


def test_its_picture_is_small() -> None:
    assert (ROOT / "docs" / "detection-demo.jpg").stat().st_size < 150_000
    assert any("--nms file" in command for command in of_language(PAGE, "sh"))
