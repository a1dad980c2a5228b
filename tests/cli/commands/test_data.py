from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.annotating import label_studio_yolo

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Makes 30 cats, one of them truncated, and 15 dogs, one of them twice."""
    rng = np.random.default_rng(0)
    for name, count in (("cat", 30), ("dog", 15)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / name / f"{i}.png")
    cut = tmp_path / "cat" / "7.png"
    cut.write_bytes(cut.read_bytes()[:900])
    (tmp_path / "dog" / "copy.png").write_bytes((tmp_path / "dog" / "3.png").read_bytes())
    return tmp_path


def rows(out: str) -> dict[str, list[str]]:
    """Returns the lines of the table, by class."""
    return {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}


def test_check(cli: Cli, pictures: Path) -> None:
    result = cli("data", "check", pictures, "--size", "32")
    assert (result.code, result.err) == (0, "")
    table = rows(result.out)
    assert table["class"] == ["train", "validation", "weight"]
    assert sum(map(int, table["cat"][:2])) == 29
    assert sum(map(int, table["dog"][:2])) == 16
    assert [int(a) + int(b) for a, b in zip(table["cat"], table["dog"], strict=False) if a.isdigit()] == [
        int(n) for n in table["all"]
    ]
    assert "20% of each class for validation, by content, seed 0" in result.out
    assert "pictures: smallest 30x20, median 30x20, largest 30x20; 45 RGB" in result.out
    assert "cache: 0.14 MB in memory" in result.out
    assert "cannot be read and is skipped: 1" in result.out
    assert str(pictures / "cat" / "7.png") in result.out
    assert f"{pictures / 'dog' / '3.png'} = {pictures / 'dog' / 'copy.png'}" in result.out


def test_json(cli: Cli, pictures: Path) -> None:
    result = cli("data", "check", pictures, "--json", "--size", "16,24", "--channels", "1", "--validation", "0")
    found = json.loads(result.out)
    assert found["classes"] == [
        {"name": "cat", "files": {"train": 29, "validation": 0, "test": 0}, "weight": pytest.approx(45 / 58)},
        {"name": "dog", "files": {"train": 16, "validation": 0, "test": 0}, "weight": pytest.approx(45 / 32)},
    ]
    assert found["cache"]["bytes"] == 46 * 16 * 24
    assert [Path(bad["path"]).name for bad in found["bad"]] == ["7.png"]
    assert found["problems"] == []


def test_the_seed_chooses_the_split(cli: Cli, pictures: Path) -> None:
    reports = [cli("data", "check", pictures, "--seed", str(seed)).out for seed in range(4)]
    assert len({tuple(rows(out)["cat"]) for out in reports}) > 1


@pytest.mark.parametrize("command", ["build lenet", "export m.keras", "train lenet in", "data check in"])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "x"])
def test_invalid_seeds_are_refused(cli: Cli, command: str, seed: str) -> None:
    result = cli(*command.split(), "--seed", seed)
    assert result.code == 2
    assert "Invalid value for '--seed'" in result.error


def test_data_that_cannot_be_trained_on(cli: Cli, pictures: Path) -> None:
    (pictures / "cow").mkdir()
    (pictures / "eel").mkdir()
    for form in ([], ["--json"]):
        result = cli("data", "check", pictures, *form)
        assert result.code == 1
        # The whole report comes first.
        assert "class eel has 0 usable files" in result.out
        assert result.error.startswith("class cow has 0 usable files of 0 to train on")
        assert result.error.endswith("(1 more problem)")


def test_long_lists_are_cut(cli: Cli, pictures: Path) -> None:
    for i in range(14):
        (pictures / "dog" / f"bad{i}.png").write_bytes(b"")
    out = cli("data", "check", pictures).out
    assert "cannot be read and is skipped: 15" in out
    assert "and 5 more (--json lists all)" in out
    assert out.count("is not a picture that Pillow can open") == 10 - 1


def test_windows(cli: Cli, tmp_path: Path) -> None:
    for name in ("run", "walk"):
        (tmp_path / name).mkdir()
        for i in range(12):
            np.save(tmp_path / name / f"{i}.npy", np.full((8, 2), i + 100 * len(name), np.float32))
    result = cli("data", "check", tmp_path, "--window", "8,2")
    assert result.code == 0
    assert [int(a) + int(b) for a, b in [rows(result.out)["all"]]] == [24]
    assert "pictures:" not in result.out
    assert "cannot be read and is skipped: 24" in cli("data", "check", tmp_path, "--window", "9,2").out


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("nope",), 1, "no data folder or .csv file nope"),
        ((".", "--size", "1,2,3"), 2, "--size takes one number or two, not 3 (see zoo data check --help)"),
        ((".", "--size", "0"), 1, "an input of shape (0, 0, 3) cannot be read"),
        (
            (".", "--window", "4", "--resize", "pad", "--input-size", "32", "--channels", "3"),
            2,
            "--window is for sensor values, and --input-size, --channels and --resize for pictures; leave out what is",
        ),
        ((".", "--validation", "1"), 2, "1.0 is not in the range 0<=x<1 (see zoo data check --help)"),
        (("--size", "32"), 2, "Missing argument 'FOLDER' (see zoo data check --help)"),
    ],
)
def test_wrong_use(cli: Cli, args: tuple[str, ...], code: int, message: str) -> None:
    result = cli("data", "check", *args)
    assert result.code == code
    assert message in result.error


def test_the_group_alone_shows_its_commands(cli: Cli) -> None:
    result = cli("data")
    assert result.code == 0
    assert result.out == cli("data", "--help").out
    assert "  check " in result.out


def test_it_starts_without_tensorflow(cli_process: Cli, pictures: Path) -> None:
    result = cli_process("data", "check", pictures)
    assert (result.code, result.err) == (0, "")


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Labelled boxes of five pictures, two of them odd."""
    label_studio_yolo(tmp_path / "street")
    labels = tmp_path / "street" / "labels"
    (labels / "a.txt").write_text((labels / "a.txt").read_text() + "\n9 0.5 0.5 0.1 0.1\n0 1.5 0.5 0.1 0.1\n")
    (labels / "b.txt").unlink()
    return tmp_path / "street"


def test_boxes_are_checked(cli: Cli, street: Path) -> None:
    result = cli("data", "check", street, "--validation", "0", "--input-size", "160,240")
    assert (result.code, result.err) == (0, "")
    table = rows(result.out)
    assert table["objects"] == ["train", "pictures", "median", "size"]
    assert table["cup"][:2] == ["3", "2"]
    assert "format: YOLO, 5 pictures" in result.out
    assert "sizes at 240x160, the square root of the area in pixels: smallest" in result.out
    place = street / "labels" / "a.txt"
    assert f"  1 entry of a class that has no name, left out; the first: {place}, line 3, class 9\n" in result.out
    assert "  1 box wholly outside its picture, left out; the first: " in result.out
    assert f"used as a picture without objects; the first: {street / 'images' / 'b.jpg'}\n" in result.out


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_boxes_are_stretched_alone_as_training_does_it(cli: Cli, street: Path, resize: str) -> None:
    result = cli("data", "check", street, "--resize", resize)
    assert (result.code, result.out) == (2, "")
    assert f"--resize {resize} is not for boxes: detectors see the whole picture" in result.error
    assert cli("data", "check", street, "--resize", "stretch").code == 0


def test_boxes_as_json(cli: Cli, street: Path) -> None:
    found = json.loads(cli("data", "check", street, "--json").out)
    assert (found["task"], found["format"], found["sizes"]["input"]) == ("detection", "YOLO", [320, 320])
    assert [(remark["kind"], remark["count"]) for remark in found["remarks"]] == [
        ("unknown", 1), ("without_file", 1), ("beyond", 1),
    ]  # fmt: skip
    assert sum(sum(one["objects"].values()) for one in found["classes"]) == found["sizes"]["objects"] == 6


def test_boxes_of_nothing_are_a_problem(cli: Cli, street: Path) -> None:
    for label in (street / "labels").iterdir():
        label.write_text("9 0.5 0.5 0.1 0.1\n")
    result = cli("data", "check", street)
    assert result.code == 1
    assert "problem: the pictures of" in result.out
    assert result.error == f"the pictures of {street} to train on have no objects: annotate some"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{}", "is no COCO file of boxes"),
        ("data.yaml", "names: [a\n", "is no list or map of names that ends with ]"),
        ("_annotations.coco.json", "{", "is no JSON"),
    ],
)
def test_annotations_that_cannot_be_read(cli: Cli, tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg")
    assert cli("data", "check", tmp_path / name).code == 1
    assert words in cli("data", "check", tmp_path / name).error
