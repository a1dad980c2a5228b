from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.annotating import NAMES, SCENES, SIZE, label_studio_yolo, roboflow_coco
from zoo.data.boxes import check_boxes
from zoo.data.boxes.loading import NO_CLASS, changing, load_boxes
from zoo.data.pipeline import Order
from zoo.errors import InputError, OptionError

SHAPE = (32, 64, 3)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    roboflow_coco(tmp_path / "street")
    return tmp_path / "street"


def test_labels_are_padded_shares_of_the_picture(street: Path) -> None:
    data = load_boxes(street, SHAPE, batch_size=2)
    assert data.class_names == NAMES
    source = data.sources["train"]
    assert [path.name for path in source.paths] == ["a.jpg", "b.jpg", "c.jpg"]
    assert source.labels.shape == (3, 2, 5)
    expected: list[list[float]] = [
        [NAMES.index(label), *np.divide(box, SIZE * 2)] for label, box in SCENES["train"]["a.jpg"]
    ]
    np.testing.assert_allclose(source.labels[0], expected, atol=1e-6)
    # A picture without objects is one to learn from.
    assert source.labels[1, :, 0].tolist() == [NO_CLASS, NO_CLASS]
    assert source.labels[2, :, 0].tolist() == [NAMES.index("traffic light"), NO_CLASS]
    batches = [(np.asarray(pictures), np.asarray(labels)) for pictures, labels in data.validation or ()]
    ((pictures, labels),) = batches
    assert pictures.shape == (2, *SHAPE)
    np.testing.assert_array_equal(labels, data.sources["validation"].labels)


def test_the_truth_is_in_pixels_of_the_upright_picture(street: Path) -> None:
    data = load_boxes(street, SHAPE)
    truth = data.truth["validation"]
    assert [one.path for one in truth] == list(data.sources["validation"].paths)
    assert truth[1].boxes.labels == ("cup", "cup")
    assert truth[1].boxes.boxes.tolist() == [[6, 4, 18, 36], [30, 4, 42, 36]]
    assert data.uprights["validation"] == [SIZE, SIZE]


def test_the_split_is_that_of_data_check(tmp_path: Path) -> None:
    label_studio_yolo(tmp_path)
    data, report = load_boxes(tmp_path, SHAPE, seed=3), check_boxes(tmp_path, SHAPE, seed=3)
    assert data.report.as_dict() == report.as_dict()
    assert {split: len(source) for split, source in data.sources.items()} == report.pictures


@pytest.mark.slow
def test_boxes_move_with_their_pictures_and_the_same_way_again(street: Path) -> None:
    def epochs(augment: str) -> list[npt.NDArray[Any]]:
        data = load_boxes(street, SHAPE, batch_size=8, augment=augment, min_batches=3)  # type: ignore[arg-type]
        assert data.order == Order(3, 0, least=24)
        return [np.concatenate([np.asarray(labels) for _, labels in data.train]) for _ in range(2)]

    first, second = epochs("standard")
    assert first.shape == second.shape == (24, 2, 5)
    again = epochs("standard")
    np.testing.assert_array_equal(again[0], first)
    assert not np.array_equal(first, second)
    there = first[first[..., 0] != NO_CLASS]
    assert (there[:, 1:] >= 0).all()
    assert (there[:, 1:] <= 1).all()
    assert (there[:, 3:] > there[:, 1:3]).all()
    # Each pass changes a picture in another way.
    assert len({row.tobytes() for row in first}) > 8
    plain = epochs("none")[0]
    assert len({row.tobytes() for row in plain}) == 3


def test_a_mirrored_picture_has_mirrored_boxes() -> None:
    from zoo.data.boxes import Changes

    pictures = np.zeros((1, 10, 20, 3), np.uint8)
    pictures[0, 2:6, 3:8] = 255
    labels = np.array([[[1, 0.15, 0.2, 0.4, 0.6], [NO_CLASS, 0, 0, 0, 0]]], np.float32)
    seeds = np.array([[1, 2, 3]])
    changed, moved = changing(Changes(mirror=1.0), NAMES)(pictures, labels, seeds)
    np.testing.assert_array_equal(changed, pictures[:, :, ::-1])
    assert moved[0, 1, 0] == NO_CLASS
    np.testing.assert_allclose(moved[0, 0], [1, 0.6, 0.2, 0.85, 0.6], atol=1e-6)


def test_what_cannot_be_learned_from_is_refused(street: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="batch_size=0 is not allowed"):
        load_boxes(street, SHAPE, batch_size=0)
    with pytest.raises(OptionError, match="boxes are in pictures, not in windows"):
        load_boxes(street, (128, 6))
    (tmp_path / "empty.csv").write_text("path,label,xmin,ymin,xmax,ymax\nstreet/train/b.jpg,,,,,\n")
    with pytest.raises(InputError, match="to train on have no objects: annotate some"):
        load_boxes(tmp_path / "empty.csv", SHAPE)
