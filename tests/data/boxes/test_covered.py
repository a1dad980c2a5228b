from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.data.boxes import check_boxes
from zoo.data.boxes.covered import FINE_STRIDES, STRIDES, Covered, covered_at
from zoo.tasks.objects.anchors import default_shapes, fit
from zoo.tasks.objects.boxes import make_anchors, overlaps

if TYPE_CHECKING:
    from tests.conftest import Cli


def some_boxes(count: int, low: float, high: float, size: tuple[int, int]) -> np.ndarray:
    """Boxes of log-uniform sides inside of an input."""
    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(low), np.log(high), (count, 2)))
    corner = rng.uniform(0, 1, (count, 2)) * (np.array(size) - sides)
    return np.concatenate([corner, corner + sides], axis=1)


@pytest.mark.parametrize("size", [(320, 320), (320, 192)])
def test_the_counts_are_those_of_all_anchors_one_by_one(size: tuple[int, int]) -> None:
    boxes = some_boxes(150, 10, 150, size)
    to_train = np.arange(150) % 4 > 0
    found = covered_at(boxes, to_train, size)
    width, height = size
    shares = boxes / np.array([width, height] * 2)

    def count(strides: tuple[int, ...], *, fitted: bool) -> int:
        grids = [(-(-height // stride), -(-width // stride)) for stride in strides]
        sizes = (shares[to_train, 2:] - shares[to_train, :2])[:, ::-1]
        y, x, high, wide = make_anchors(grids, fit(sizes, grids) if fitted else default_shapes(len(grids))).T
        anchors = np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], axis=1)
        return int((overlaps(shares, anchors).max(axis=1) >= 0.5).sum())

    assert found == Covered(
        width, height, 150, count(STRIDES, fitted=True), count(FINE_STRIDES, fitted=True), count(STRIDES, fitted=False)
    )
    assert found.default < found.fitted_fine <= 150


def test_small_boxes_want_the_level_of_stride_8_and_large_ones_do_not() -> None:
    every = np.ones(200, bool)
    small = covered_at(some_boxes(200, 12, 30, (320, 320)), every, (320, 320))
    assert small.wants_fine
    assert small.share(small.fitted_fine) > small.share(small.fitted) + 0.1
    large = covered_at(some_boxes(200, 80, 250, (320, 320)), every, (320, 320))
    assert not large.wants_fine


def test_no_boxes_are_all_covered() -> None:
    found = covered_at(np.zeros((0, 4)), np.zeros(0, bool), (320, 320))
    assert (found.objects, found.wants_fine, found.as_dict()["shares"]["fitted_16"]) == (0, False, 1)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Twenty pictures with small objects each, far from each other in size."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    boxes = some_boxes(100, 12, 30, (320, 320)) / 320
    for i in range(20):
        pixels = np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
        rows = [(*(box[:2] + box[2:]) / 2, *(box[2:] - box[:2])) for box in boxes[5 * i : 5 * i + 5]]
        (tmp_path / "labels" / f"{i}.txt").write_text("\n".join(f"0 {' '.join(map(str, row))}" for row in rows))
    (tmp_path / "classes.txt").write_text("ant\n")
    return tmp_path


@pytest.mark.slow
def test_the_check_says_what_anchors_cover_and_what_to_do(cli: Cli, small: Path) -> None:
    report = check_boxes(small)
    covered = report.anchors
    assert (covered.width, covered.height, covered.objects) == (320, 320, 100)
    done = cli("data", "check", small)
    assert done.code == 0
    fitted, fine = (f"{covered.share(count):.0%}" for count in (covered.fitted, covered.fitted_fine))
    lines = done.out.splitlines()
    advice = f"{fine} of the boxes from stride 8, {fitted} from stride 16: train with --small-objects"
    assert f"note: fitted anchors cover {advice}" in lines
    (line,) = (line for line in lines if line.startswith("boxes that an anchor covers (overlap 0.5 or more): "))
    assert f"{fitted} by fitted anchors from stride 16 ({100 - covered.fitted} by none), {fine} from stride 8" in line
    found = json.loads(cli("data", "check", small, "--json").out)["anchors"]
    assert found["covered"] == {
        "fitted_16": covered.fitted, "fitted_8": covered.fitted_fine, "default_16": covered.default,
    }  # fmt: skip
    # In a larger input the same objects are large enough.
    assert check_boxes(small, (1280, 1280, 3)).anchors.wants_fine is False
