"""`zoo demo`, with the model and the pictures in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import zoo.runner.demo
from zoo.runner import known
from zoo.tflite.card import checksum

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_every_digit_is_classified_correctly(cli: Any) -> None:
    done = cli("demo")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("right") == 10 + 1
    assert "10 of 10 right" in done.out
    assert all(f"pictures/{digit}/000.png" in done.out for digit in DIGITS)


def test_json(cli: Any) -> None:
    done = cli("demo", "--json")
    found = json.loads(done.out)
    assert [trial["truth"] for trial in found["trials"]] == DIGITS
    assert [trial["answer"] for trial in found["trials"]] == DIGITS
    assert all(0.3 < trial["score"] <= 1 for trial in found["trials"])
    assert found["right"] == 10
    assert (Path(found["folder"]) / found["trials"][3]["picture"]).is_file()


def test_a_wrong_answer_fails(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = zoo.runner.demo.folder()
    (tmp_path / "pictures" / "nine").mkdir(parents=True)
    (tmp_path / "digits_int8.tflite").symlink_to(home / "digits_int8.tflite")
    (tmp_path / "pictures" / "nine" / "000.png").symlink_to(home / "pictures" / "one" / "000.png")
    monkeypatch.setattr(zoo.runner.demo, "folder", lambda: tmp_path)
    done = cli("demo")
    assert done.code == 1
    assert "WRONG" in done.out
    assert "0 of 1 right" in done.out


def test_the_pictures_are_what_they_are_called() -> None:
    pictures = sorted(zoo.runner.demo.folder().glob("pictures/*/*.png"))
    assert sorted(path.parent.name for path in pictures) == sorted(DIGITS)
    for path in pictures:
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((28, 28), "L")


def test_the_model_needs_no_trial_run() -> None:
    """The demo starts no process to try its file, also if no file can be remembered as tried."""
    assert known.holds(zoo.runner.demo.folder() / "digits_int8.tflite", "litert")


def test_the_model_has_a_right_checksum() -> None:
    """The file must be made again when the form of the card changes."""
    assert checksum(zoo.runner.demo.folder() / "digits_int8.tflite") == "right"


def test_an_unknown_runtime_is_refused(cli: Any) -> None:
    done = cli("demo", "--runtime", "none")
    assert done.code == 2
    assert "tflite-runtime" in done.error


@pytest.mark.parametrize("environment", ["base_python", "tflite_runtime_python"])
def test_the_installed_wheel_has_it(environment: str, request: pytest.FixtureRequest, elsewhere: Any) -> None:
    python = request.getfixturevalue(environment)
    found = json.loads(elsewhere(python, "from zoo.cli.main import main; main(['demo', '--json'])"))
    assert found["right"] == 10
    assert "site-packages" in found["folder"]
