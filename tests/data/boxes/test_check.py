from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.annotating import NAMES, label_studio_yolo, roboflow_coco, roboflow_yolo
from zoo.data.boxes import check_boxes, telling
from zoo.errors import OptionError

SHAPE = (32, 32, 3)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Forty pictures: 30 with a dog, each third of them with a cup, too, and 10 without objects."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
        lines = ["1 0.5 0.5 0.5 0.5"] if i < 30 else []
        lines += ["0 0.2 0.2 0.1 0.1"] if i < 30 and i % 3 == 0 else []
        (tmp_path / "labels" / f"{i}.txt").write_text("\n".join(lines))
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    return tmp_path


def test_objects_and_pictures_are_counted(many: Path) -> None:
    report = check_boxes(many, SHAPE, validation=0)
    assert (report.format, report.class_names, report.found, report.used) == ("YOLO", NAMES, 40, 40)
    assert report.objects == {"train": (10, 30, 0), "validation": (0, 0, 0), "test": (0, 0, 0)}
    assert report.pictures_of == (10, 30, 0)
    assert report.without_objects["train"] == 10
    assert report.split_by == "no validation, as asked for"
    assert report.problems == ()
    assert "no picture shows traffic light: annotate some, or take the class out of the list" in report.notes


def test_each_class_and_empty_pictures_have_their_share_held_out_by_content(many: Path) -> None:
    report = check_boxes(many, SHAPE)
    assert report.pictures["train"] + report.pictures["validation"] == 40
    assert 2 <= report.objects["validation"][0] <= 4
    assert 5 <= report.objects["validation"][1] <= 8
    assert 1 <= report.without_objects["validation"] <= 3
    held_out = {
        (many / "images" / f"{i}.png").read_bytes()
        for i, split in zip(sorted(range(40), key=str), report.splits, strict=True)
        if split == "validation"
    }
    # Renamed in reverse: the content decides, not the name.
    for folder, suffix in (("images", "png"), ("labels", "txt")):
        for i in range(40):
            (many / folder / f"{i}.{suffix}").rename(many / folder / f"new{99 - i}.{suffix}")
    again = check_boxes(many, SHAPE)
    names = sorted(path.name for path in (many / "images").iterdir())
    assert held_out == {
        (many / "images" / name).read_bytes()
        for name, split in zip(names, again.splits, strict=True)
        if split == "validation"
    }
    assert check_boxes(many, SHAPE, seed=1).splits != again.splits


def test_given_splits_are_kept(tmp_path: Path) -> None:
    roboflow_yolo(tmp_path)
    report = check_boxes(tmp_path, SHAPE)
    assert report.split_by == "as given by the data"
    assert report.pictures == {"train": 3, "validation": 2, "test": 0}


def test_groups_stay_together(many: Path) -> None:
    report = check_boxes(many, SHAPE, group_by=r"/(\d)\d?\.png")
    sides: dict[str, set[str]] = {}
    for name, split in zip(sorted(path.name for path in (many / "images").iterdir()), report.splits, strict=True):
        assert split is not None
        sides.setdefault(name[0], set()).add(split)
    assert all(len(found) == 1 for found in sides.values())
    assert {"train", "validation"} == set().union(*sides.values())


def test_groups_that_leave_nothing_to_hold_out_are_a_problem(many: Path) -> None:
    assert check_boxes(many, SHAPE, group_by=r"png").problems[0].startswith("no file is held out for validation")
    assert check_boxes(many, SHAPE, group_by=r"png", validation=0.0).problems == ()


def test_copies_with_other_boxes_are_not_used(many: Path) -> None:
    for number, copy in ((0, "copy"), (1, "other")):
        shutil.copy(many / "images" / f"{number}.png", many / "images" / f"{copy}.png")
        shutil.copy(many / "labels" / f"{number}.txt", many / "labels" / f"{copy}.txt")
    (many / "labels" / "other.txt").write_text("1 0.3 0.3 0.2 0.2\n")
    report = check_boxes(many, SHAPE)
    assert sorted((c.kind, [path.name for path in c.paths]) for c in report.copies) == [
        ("class", ["0.png", "copy.png"]),
        ("classes", ["1.png", "other.png"]),
    ]
    assert (report.found, report.used) == (42, 40)
    assert "same pixels with other boxes, not used: 1" in "\n".join(telling.lists(report))


def test_a_photo_stored_on_its_side_is_checked_upright(tmp_path: Path) -> None:
    """Its annotation is of the stored picture: the box that lies inside there lies inside of the upright one, too."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), (200, 30, 30)).save(tmp_path / "a.jpg", exif=exif)
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [45, 5, 15, 10]}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(document))
    report = check_boxes(tmp_path, (60, 40, 3), validation=0)
    assert [(remark.kind, remark.count) for remark in report.remarks] == [("turned", 1)]
    assert report.sizes.quantiles == pytest.approx([150**0.5] * 5)


def test_pictures_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    roboflow_coco(tmp_path)
    (tmp_path / "train" / "c.jpg").write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(tmp_path / "train" / "a.jpg")
    report = check_boxes(tmp_path, SHAPE)
    reasons = {bad.path.name: bad.reason for bad in report.bad}
    assert "is not a picture that Pillow can open" in reasons["c.jpg"]
    assert "has 64x64 pixels, but its annotation is of a picture of 60x40" in reasons["a.jpg"]
    assert report.pictures == {"train": 1, "validation": 2, "test": 0}
    assert report.problems == (f"the pictures of {tmp_path} to train on have no objects: annotate some",)


def test_sizes_are_those_in_the_models_input(many: Path) -> None:
    sizes = check_boxes(many, (64, 128, 3), validation=0).sizes
    # Half of each side of 128x64, and a tenth of each.
    assert sizes.medians == pytest.approx({"dog": (64 * 32) ** 0.5, "cup": (12.8 * 6.4) ** 0.5}, rel=1e-3)
    assert (sizes.count, sizes.small, sizes.medium, sizes.large, sizes.tiny) == (40, 10, 30, 0, 10)
    (note,) = [note for note in check_boxes(many, (64, 128, 3)).notes if "pixels wide or high" in note]
    assert note.startswith("10 of 40 objects are less than 8 pixels wide or high at 128x64")


def test_letterboxed_sizes_keep_the_shape(many: Path) -> None:
    assert check_boxes(many, (64, 64, 3), resize="pad").sizes.medians["dog"] == pytest.approx((32 * 24) ** 0.5)


def test_a_data_set_of_nothing_is_a_problem(tmp_path: Path) -> None:
    label_studio_yolo(tmp_path)
    for picture in (tmp_path / "images").iterdir():
        picture.write_bytes(b"")
    (problem,) = check_boxes(tmp_path, SHAPE).problems
    assert problem == f"no picture of {tmp_path} can be used, of 5 that are annotated"


def test_a_name_that_hides_something_is_a_problem(many: Path) -> None:
    (many / "classes.txt").write_text("cup\ndog\u202e\nlight\n", encoding="utf-8")
    assert check_boxes(many, SHAPE).problems[0].startswith("the name of class dog\u202e holds the character U+202E")


@pytest.mark.parametrize(
    ("choices", "words"),
    [({"validation": 1.0}, "is not a share"), ({"seed": -1}, "seed"), ({"group_by": "("}, "no regular expression")],
)
def test_values_that_are_not_allowed(many: Path, choices: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        check_boxes(many, SHAPE, **choices)  # type: ignore[arg-type]


def test_windows_have_no_boxes(many: Path) -> None:
    with pytest.raises(OptionError, match="boxes are in pictures, not in windows"):
        check_boxes(many, (128, 6))
