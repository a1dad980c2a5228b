from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from zoo.data import check, telling
from zoo.errors import OptionError

if TYPE_CHECKING:
    from tests.data.conftest import MakePictures


def test_good_data(pictures: Path) -> None:
    report = check(pictures, (32, 32, 3))
    assert report.class_names == ("cat", "dog")
    assert [sum(split[i] for split in report.counts.values()) for i in (0, 1)] == [24, 12]
    assert min(report.counts["validation"]) > 0
    assert report.counts["test"] == (0, 0)
    assert (report.found, report.used) == (36, 36)
    assert report.split_by == "20% of each class for validation, by content, seed 0"
    assert report.sizes == dict.fromkeys(("smallest", "median", "largest"), (16, 12))
    assert report.modes == {"RGB": 36}
    assert (report.bad, report.copies, report.problems) == ((), (), ())
    assert report.place.size == 36 * 32 * 32 * 3


def test_weights_make_classes_count_alike(pictures: Path) -> None:
    report = check(pictures, (8, 8, 3), validation=0)
    assert report.counts["train"] == (24, 12)
    assert report.imbalance == 2
    assert report.class_weights == {0: 0.75, 1: 1.5}
    assert sum(count * report.class_weights[i] for i, count in enumerate(report.counts["train"])) == 36
    assert report.split_by == "no validation, as asked for"


def test_bad_files(pictures: Path, bad_pictures: dict[Path, str]) -> None:
    report = check(pictures, (8, 8, 3))
    assert {bad.path for bad in report.bad} == set(bad_pictures)
    for bad in report.bad:
        assert bad_pictures[bad.path] in bad.reason
    assert (report.found, report.used) == (42, 36)


def test_files_are_added(pictures: Path, make_pictures: MakePictures) -> None:
    """Copies follow their originals, names do not matter, and each file that is added moves at most one other."""
    from zoo.data.check import assign
    from zoo.data.reading import Reader, read_all
    from zoo.inputs.labelled import find_labelled

    def splits() -> dict[Path, str | None]:
        data = find_labelled(pictures)
        findings = read_all([e.path for e in data.examples], Reader((8, 8, 3)))
        assigned, report = assign(data, findings, check(pictures).place)
        assert not report.problems
        return dict(zip([e.path for e in data.examples], assigned, strict=True))

    before = splits()
    for path in list(before):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    (pictures / "dog" / "000.png").rename(pictures / "dog" / "renamed.png")
    after = splits()
    assert len(after) == 36 * 2
    for path, split in before.items():
        assert after.get(path, after[pictures / "dog" / "renamed.png"]) == split
        assert after[path.with_name(f"copy-{path.name}")] == split
    make_pictures(pictures / "dog", 1, start=100)
    more = splits()
    moved = {path for path, split in after.items() if more[path] != split}
    assert {path.parent.name for path in moved} <= {"dog"}
    assert len({path.name.removeprefix("copy-").replace("renamed", "000") for path in moved}) <= 1


def test_the_same_picture_in_two_classes_is_not_used(pictures: Path) -> None:
    shutil.copy(pictures / "cat" / "003.png", pictures / "dog" / "x.png")
    shutil.copy(pictures / "dog" / "004.png", pictures / "dog" / "y.png")
    report = check(pictures, (8, 8, 3))
    found = {copies.kind: copies.paths for copies in report.copies}
    assert found == {
        "classes": (pictures / "cat" / "003.png", pictures / "dog" / "x.png"),
        "class": (pictures / "dog" / "004.png", pictures / "dog" / "y.png"),
    }
    assert (report.found, report.used) == (38, 36)


def test_given_splits_share_no_picture(tmp_path: Path, make_pictures: MakePictures) -> None:
    for split, count in (("train", 12), ("val", 4), ("test", 3)):
        for name in ("cat", "dog"):
            make_pictures(tmp_path / split / name, count)
    cat = "cat/000.png"
    shutil.copy(tmp_path / "val" / cat, tmp_path / "train" / "cat" / "leak.png")
    shutil.copy(tmp_path / "test" / cat, tmp_path / "train" / "cat" / "leak2.png")
    shutil.copy(tmp_path / "test" / cat, tmp_path / "val" / "cat" / "leak2.png")
    report = check(tmp_path, (8, 8, 3))
    assert report.counts == {"train": (12, 12), "validation": (4, 4), "test": (3, 3)}
    assert [copies.kind for copies in report.copies] == ["splits", "splits"]
    assert report.split_by == "as given by the data"


def test_validation_is_taken_from_training_where_there_is_a_test_folder_only(
    tmp_path: Path, make_pictures: MakePictures
) -> None:
    for name in ("cat", "dog"):
        make_pictures(tmp_path / "train" / name, 20)
        make_pictures(tmp_path / "test" / name, 5)
    counts = check(tmp_path, (8, 8, 3)).counts
    assert counts["test"] == (5, 5)
    assert all(0 < n < 20 for n in counts["validation"])
    assert [a + b for a, b in zip(counts["train"], counts["validation"], strict=True)] == [20, 20]


def test_a_validation_folder_that_is_no_use_is_not_made_up_for(tmp_path: Path, make_pictures: MakePictures) -> None:
    for name in ("cat", "dog"):
        make_pictures(tmp_path / "train" / name, 12)
    (tmp_path / "val" / "cat").mkdir(parents=True)
    (tmp_path / "val" / "cat" / "1.png").touch()
    report = check(tmp_path, (8, 8, 3))
    assert report.counts["validation"] == (0, 0)
    assert "no validation file can be used: training goes without validation" in report.notes


@pytest.mark.parametrize(
    ("count", "bad", "copied", "validation", "message"),
    [
        (0, 0, 0, 0.2, "class cow has 0 usable files of 0 to train on and needs at least two different ones"),
        (0, 3, 0, 0.2, "class cow has 0 usable files of 3 to train on and needs at least two different ones"),
        (1, 0, 0, 0.2, "class cow has 1 usable file of 1 to train on and needs at least two different ones"),
        (1, 0, 4, 0.2, "class cow has 1 usable file of 5 to train on and needs at least two different ones"),
        (0, 1, 0, 0, "class cow has 0 usable files of 1 to train on and needs at least one: "),
        (2, 0, 0, 0.2, ""),
        (1, 0, 0, 0, ""),
    ],
)
def test_a_class_with_too_few(
    pictures: Path,
    make_pictures: MakePictures,
    count: int,
    bad: int,
    copied: int,
    validation: float,
    message: str,
) -> None:
    make_pictures(pictures / "cow", count)
    for i in range(bad):
        (pictures / "cow" / f"bad{i}.png").write_bytes(b"bad")
    for i in range(copied):
        shutil.copy(pictures / "cow" / "000.png", pictures / "cow" / f"copy{i}.png")
    problems = check(pictures, (8, 8, 3), validation=validation).problems
    assert len(problems) == bool(message)
    assert all(problem.startswith(message) for problem in problems)


def test_a_small_class_gets_a_note(pictures: Path, make_pictures: MakePictures) -> None:
    make_pictures(pictures / "cow", 3)
    assert "class cow has only 2 to learn from" in check(pictures, (8, 8, 3)).notes


def test_modes_and_sizes(pictures: Path, photos: tuple[Path, Path]) -> None:
    Image.new("L", (300, 2)).save(pictures / "cat" / "gray.png")
    shutil.copy(photos[0], pictures / "cat")
    report = check(pictures, (8, 8, 3))
    assert report.modes == {"RGB": 37, "L": 1}
    assert report.sizes == {"smallest": (16, 12), "median": (16, 12), "largest": (640, 427)}


def test_the_report_is_json(pictures: Path, bad_pictures: dict[Path, str]) -> None:
    report = check(pictures, (8, 8, 3))
    found = json.loads(json.dumps(report.as_dict()))
    assert [entry["name"] for entry in found["classes"]] == ["cat", "dog"]
    assert sum(sum(entry["files"].values()) for entry in found["classes"]) == found["used"] == 36
    assert len(found["bad"]) == len(bad_pictures)


@pytest.mark.parametrize("share", [-0.1, 1, 20])
def test_a_validation_that_is_no_share(pictures: Path, share: float) -> None:
    with pytest.raises(OptionError, match=f"validation={share} is not a share"):
        check(pictures, (8, 8, 3), validation=share)


def test_a_report_is_told_in_lines(pictures: Path, bad_pictures: dict[Path, str]) -> None:
    report = check(pictures, (8, 8, 3))
    assert telling.count_rows(report) == (
        ("class", "train", "validation", "weight"),
        [("cat", "19", "5", "0.74"), ("dog", "9", "3", "1.56"), ("all", "28", "8", "")],
    )
    assert telling.summary(report)[0] == "split: 20% of each class for validation, by content, seed 0"
    assert "note: class dog has only 9 to learn from" in telling.notes(report)
    found = telling.lists(report, most=2, more="zoo data check")
    assert found[:2] == ["", f"cannot be read and is skipped: {len(bad_pictures)}"]
    assert found[4] == f"  and {len(bad_pictures) - 2} more (zoo data check)"
