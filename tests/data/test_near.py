"""Pictures that are almost the same, and what becomes of them at the split."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.data import check, near
from zoo.data.groups import units_of
from zoo.data.near import near_copies, print_of
from zoo.errors import OptionError

if TYPE_CHECKING:
    from tests.data.conftest import MakePictures


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """Two classes of ten objects of coarse noise, each object six times: turned by a degree, compressed otherwise."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(10):
            noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize(
                (96, 96), Image.Resampling.BICUBIC
            )
            for k in range(6):
                noise.rotate(k / 2, fillcolor="gray").save(tmp_path / "d" / name / f"obj{i}_{k}.jpg", quality=80 + k)
    return tmp_path / "d"


def variants(photo: Image.Image) -> dict[str, Image.Image]:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=30)
    width, height = photo.size
    return {
        "compressed again": Image.open(buffer),
        "brighter": photo.point(lambda value: min(255, value * 1.2)),
        "mirrored": photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "smaller": photo.resize((100, 80)),
        "turned by two degrees": photo.rotate(2, fillcolor="gray"),
        "cut by two per cent": photo.crop((6, 4, width - 6, height - 4)),
    }


def test_changed_photos_are_almost_alike_and_other_photos_are_not(photos: tuple[Path, Path]) -> None:
    china, flower = (Image.open(path).convert("RGB") for path in photos)
    theirs = [print_of(np.asarray(china)), print_of(np.asarray(flower))]
    made = variants(china)
    found, compared = near_copies(theirs, [print_of(np.asarray(picture.convert("RGB"))) for picture in made.values()])
    assert compared == len(made)
    assert {list(made)[one.held_out] for one in found} == set(made)
    assert {one.training for one in found} == {0}
    assert near_copies(theirs[:1], theirs[1:]) == ([], 1)


def test_flat_pictures_are_not_compared() -> None:
    gray, black = np.full((8, 8, 1), 128, np.uint8), np.zeros((8, 8, 3), np.uint8)
    assert near_copies([print_of(gray)], [print_of(gray), print_of(black)]) == ([], 2)


def test_large_data_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST_PAIRS", 10)
    prints = list(np.random.default_rng(0).integers(0, 256, (5, near.SIDE, near.SIDE, 3), np.uint8))
    found, compared = near_copies(prints, prints)
    assert (compared, [one.held_out for one in found]) == (2, [0, 3])


def test_near_copies_across_the_split_are_counted_and_the_worst_is_named(objects: Path) -> None:
    report = check(objects, (96, 96, 3))
    assert report.near is not None
    assert report.near.compared == 24
    assert report.near.count > 12
    held_out, training, likeness = report.near.pairs[0]
    assert held_out.name.split("_")[0] == training.name.split("_")[0]
    assert likeness > near.ALIKE
    (note,) = (one for one in report.notes if "almost like" in one)
    assert note.startswith(f"{report.near.count} of 24 held-out pictures look almost like a training picture")
    assert f"the most alike {held_out} and {training}:" in note
    assert report.as_dict()["near_copies"]["pairs"][0]["training"] == str(training)


def test_groups_stay_together(objects: Path) -> None:
    report = check(objects, (96, 96, 3), group_by=r"(\w)/(obj\d+)")
    assert report.near is not None
    assert report.near.count == 0
    assert report.counts["validation"] == (12, 12)
    assert report.split_by.endswith(", 20 groups kept together")


def test_groups_of_a_list_stay_together(objects: Path) -> None:
    lines = [
        f"{path.relative_to(objects.parent)},{path.parent.name},{path.parent.name}{path.name[:4]}"
        for path in objects.rglob("*.jpg")
    ]
    (objects.parent / "list.csv").write_text("path,label,group\n" + "\n".join(lines))
    report = check(objects.parent / "list.csv", (96, 96, 3))
    assert report.near is not None
    assert (report.near.count, report.counts["validation"]) == (0, (12, 12))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("obj(", "is no regular expression"), ("subject", "matches none of the 120 files, such as 'a/obj0_0.jpg'")],
)
def test_a_pattern_of_groups_that_cannot_be_meant(objects: Path, pattern: str, message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        check(objects, (8, 8, 3), group_by=pattern)


def test_groups_that_leave_nothing_to_hold_out_are_a_problem(objects: Path) -> None:
    (problem,) = check(objects, (8, 8, 3), group_by="jpg").problems
    assert problem.startswith("no file is held out for validation, because files that belong together stay together")
    assert check(objects, (8, 8, 3), group_by="jpg", validation=0.0).problems == ()


def test_groups_that_given_splits_tear_apart_are_told(tmp_path: Path, make_pictures: MakePictures) -> None:
    for split, start in (("train", 0), ("val", 12)):
        for name in ("cat", "dog"):
            make_pictures(tmp_path / split / name, 12, start)
    notes = check(tmp_path, (8, 8, 3), group_by=r"(cat|dog)/0[01]").notes
    assert any(note.startswith("2 groups have files in several splits, such as") for note in notes)
    assert any(note == "8 files belong to no group, and stand for themselves" for note in notes)


def test_units_are_joined_by_way_of_other_files() -> None:
    units = units_of(["1", "2", "2", "3", "4", "5"], ["a", "b", "b", "b", "c", "d"], [None, None, "x", None, "x", None])
    assert units == ["1", "group x", "group x", "group x", "group x", "5"]
    # In another order they are the same.
    back = units_of(["5", "4", "3", "2", "2", "1"], ["d", "c", "b", "b", "b", "a"], [None, "x", None, "x", None, None])
    assert back[::-1] == units


def test_pictures_of_the_same_pixels_are_copies_whatever_their_bytes(pictures: Path) -> None:
    with Image.open(pictures / "cat" / "000.png") as picture:
        picture.save(pictures / "cat" / "copy.bmp")
        picture.save(pictures / "dog" / "wrong.tiff")
    with Image.open(pictures / "dog" / "001.png") as picture:
        picture.save(pictures / "dog" / "again.png", compress_level=0)
    report = check(pictures, (8, 8, 3))
    found = {copies.kind: {path.name for path in copies.paths} for copies in report.copies}
    assert found == {"classes": {"000.png", "copy.bmp", "wrong.tiff"}, "class": {"001.png", "again.png"}}


def test_what_a_split_lacks_is_told(tmp_path: Path, make_pictures: MakePictures) -> None:
    make_pictures(tmp_path / "Train" / "cat", 12)
    make_pictures(tmp_path / "Train" / "dog", 12)
    make_pictures(tmp_path / "Val" / "cat", 3, 12)
    notes = check(tmp_path, (8, 8, 3)).notes
    assert "validation has no file of dog, so nothing is known of how well the model knows that" in notes
    assert any(note.startswith("few files to judge by in validation: cat 3;") for note in notes)


def test_photos_of_a_phone_are_one_note(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.inputs.pictures.formats.is_installed", lambda kind: kind != "HEIF")
    for i in range(12):
        (pictures / "dog" / f"IMG_{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    notes = check(pictures, (8, 8, 3)).notes
    assert notes[0] == (
        "12 files are HEIC photos, as phones take, for which no decoder is installed; pip install pillow-heif, or save "
        "it as PNG or JPEG"
    )
