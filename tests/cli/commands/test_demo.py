"""`zoo demo`, with the models and the pictures in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import zoo.runner.demo
from zoo.inputs.annotations import find_boxes, ground_truth
from zoo.runner.loading import known
from zoo.tflite.card import checksum

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_every_digit_is_classified_correctly(cli: Any) -> None:
    done = cli("demo")
    assert (done.code, done.err) == (0, "")
    named, found = done.out.split("10 of 10 right")
    assert named.count(" right") == 10
    assert all(f"pictures/{digit}/000.png" in named for digit in DIGITS)
    assert found.count(" right") >= 6
    assert "WRONG" not in done.out


def test_json(cli: Any) -> None:
    done = cli("demo", "--json")
    found = json.loads(done.out)
    assert [trial["truth"] for trial in found["trials"]] == DIGITS
    assert [trial["answer"] for trial in found["trials"]] == DIGITS
    assert all(0.3 < trial["score"] <= 1 for trial in found["trials"])
    assert found["right"] == 10
    assert (Path(found["folder"]) / found["trials"][3]["picture"]).is_file()
    assert found["found"] == len(found["sightings"]) >= 6
    for one in found["sightings"]:
        left, top, right, bottom = one["box"]
        assert (left < right, top < bottom, one["right"], one["truth"]) == (True, True, True, one["answer"])
        assert 0.5 < one["score"] <= 1
        assert (Path(found["folder"]) / one["photo"]).is_file()


def elsewhere_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *parts: str) -> Path:
    """A folder of the demo that has these parts of the package's."""
    for part in parts:
        (tmp_path / part).symlink_to(zoo.runner.demo.folder() / part)
    monkeypatch.setattr(zoo.runner.demo, "folder", lambda: tmp_path)
    return zoo.runner.demo.folder()


def test_a_wrong_answer_fails(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = zoo.runner.demo.folder() / "pictures" / "one" / "000.png"
    (tmp_path / "pictures" / "nine").mkdir(parents=True)
    (tmp_path / "pictures" / "nine" / "000.png").symlink_to(one)
    elsewhere_in(tmp_path, monkeypatch, "digits_int8.tflite", "digits_on_photos_int8.tflite", "photos")
    done = cli("demo")
    assert done.code == 1
    assert done.out.count("WRONG") == 1
    assert "0 of 1 right" in done.out


def test_a_missed_object_and_one_that_is_not_there_fail(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the photo's digits is labelled as another, and one where nothing is in place of another."""
    photos = zoo.runner.demo.folder() / "photos"
    head, first, second, *_ = (photos / "boxes.csv").read_text().splitlines()
    name, _, *corners = first.split(",")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / name).symlink_to(photos / name)
    label = "one" if f",{second.split(',')[1]}," != ",one," else "two"
    rows = [head, f"{name},{label},{','.join(corners)}", f"{name},three,0,0,9,9"]
    (tmp_path / "photos" / "boxes.csv").write_text("\n".join(rows))
    elsewhere_in(tmp_path, monkeypatch, "digits_int8.tflite", "digits_on_photos_int8.tflite", "pictures")
    done = cli("demo", "--json")
    assert done.code == 1
    missed = [(one["truth"], one["answer"]) for one in json.loads(done.out)["sightings"] if not one["right"]]
    assert ("three", "") in missed
    assert [truth for truth, _ in missed].count("") >= 1


def test_the_pictures_are_what_they_are_called() -> None:
    pictures = sorted(zoo.runner.demo.folder().glob("pictures/*/*.png"))
    assert sorted(path.parent.name for path in pictures) == sorted(DIGITS)
    for path in pictures:
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((28, 28), "L")


def test_photos_are_small_and_their_digits_are_labelled() -> None:
    photos = zoo.runner.demo.folder() / "photos"
    assert sum(path.stat().st_size for path in photos.iterdir()) < 60_000
    pictures = [path for path in photos.iterdir() if path.suffix == ".jpg"]
    assert {path for path, boxes in ground_truth(find_boxes(photos / "boxes.csv")) if len(boxes) >= 3} == set(pictures)


@pytest.mark.parametrize("name", [zoo.runner.demo.DIGITS, zoo.runner.demo.BOXES])
def test_a_model_needs_no_trial_run(name: str) -> None:
    """The demo starts no process to try its files, also if no file can be remembered as tried."""
    assert known.holds(zoo.runner.demo.folder() / name, "litert")


@pytest.mark.parametrize(("name", "most"), [(zoo.runner.demo.DIGITS, 100_000), (zoo.runner.demo.BOXES, 1_100_000)])
def test_a_model_is_small_and_has_a_right_checksum(name: str, most: int) -> None:
    """The file must be made again when the form of the card changes."""
    assert checksum(zoo.runner.demo.folder() / name) == "right"
    assert (zoo.runner.demo.folder() / name).stat().st_size < most


def test_an_unknown_runtime_is_refused(cli: Any) -> None:
    done = cli("demo", "--runtime", "none")
    assert done.code == 2
    assert "tflite-runtime" in done.error


@pytest.mark.parametrize("environment", ["base_python", "tflite_runtime_python"])
def test_the_installed_wheel_has_it(environment: str, request: pytest.FixtureRequest, elsewhere: Any) -> None:
    python = request.getfixturevalue(environment)
    found = json.loads(elsewhere(python, "from zoo.cli.main import main; main(['demo', '--json'])"))
    assert found["right"] == 10
    assert found["found"] == len(found["sightings"]) >= 6
    assert "site-packages" in found["folder"]
