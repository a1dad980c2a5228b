"""`tools/demo`, which is `make demo`: its last parts, with right and with wrong answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import demo_boxes
import demo_detector
import demo_digits
import demo_steps
import zoo.runner.demo

ROOT = Path(__file__).resolve().parents[2]
FILE = zoo.runner.demo.folder() / zoo.runner.demo.DIGITS
BOXES = zoo.runner.demo.folder() / zoo.runner.demo.BOXES


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "demo", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_it_trains_and_names_digits_that_it_has_not_seen(tmp_path: Path) -> None:
    done = run("--digits", "--folder", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    right = re.search(r"(\d+) of 10 held-out digits classified correctly\n$", done.stdout)
    assert right
    assert int(right[1]) >= 9
    assert done.stdout.count("  right\n") == int(right[1])
    commands = re.findall(r"(?m)^\$ (.*)$", done.stdout.replace(f"{tmp_path}/", ""))
    assert [re.sub(r" -.*| '.*", "", command) for command in commands] == [
        "zoo train lenet demo/digits",
        "zoo run demo/lenet/lenet_int8.tflite",
    ]
    assert re.search(r"lenet_int8.tflite .* 7\d kB\n", done.stdout), "the README says about 70 kB"
    accuracy = re.search(r"lenet_int8.tflite +([\d.]+)%", done.stdout)
    assert accuracy
    assert float(accuracy[1]) > 95
    trained, held_out = (
        {path.read_bytes() for path in (tmp_path / "demo" / "digits" / part).glob("*/*.png")}
        for part in ("train", "test")
    )
    assert (len(trained) > 1200, len(held_out) > 450) == (True, True)
    assert not trained & held_out


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "code"), [(0, 0), (1, 0), (2, 1)])
def test_wrong_answers_fail(tmp_path: Path, wrong: int, code: int) -> None:
    """The model of `zoo demo` classifies its own pictures, of which the first ones are an eight in another's folder."""
    for i, label in enumerate(demo_digits.LABELS):
        (tmp_path / label).mkdir()
        shown = "eight" if i < wrong else label
        shutil.copy(zoo.runner.demo.folder() / "pictures" / shown / "000.png", tmp_path / label)
    done = run("--name", FILE, tmp_path)
    assert (done.returncode, done.stdout.count("WRONG")) == (code, wrong), done.stdout
    assert f"{10 - wrong} of 10 held-out digits classified correctly" in done.stdout
    assert done.stderr == ("demo: only 8 of 10 digits are right, at least 9 are expected\n" if code else "")


@pytest.mark.slow
def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    done = run("--name", tmp_path / "none.tflite", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("zoo: error: ")
    assert done.stderr.count("\n") == 1


def test_the_digits_are_those_of_scikit_learn(tmp_path: Path) -> None:
    pictures, truth = demo_digits.digits()
    assert (pictures.shape, pictures.dtype) == ((1797, 28, 28), np.uint8)
    assert np.bincount(truth).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    demo_digits.save(pictures[:100], truth[:100], tmp_path, per_class=2)
    files = sorted(tmp_path.glob("*/*.png"))
    assert len(files) == 20
    assert sorted({path.parent.name for path in files}) == sorted(demo_digits.LABELS)
    with Image.open(tmp_path / "three" / "001.png") as picture:
        assert np.array_equal(np.asarray(picture), pictures[:100][truth[:100] == 3][1])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits on photos, of which the held-out ones are looked for."""
    folder = tmp_path_factory.mktemp("photos") / "boxes"
    demo_boxes.save(folder, 1, 6, seed=3)
    return folder


@pytest.mark.slow
def test_held_out_digits_are_found_on_photos_and_drawn(photos: Path, tmp_path: Path) -> None:
    """The detector of `zoo demo` stands for the one that `make demo` trains."""
    done = run("--find", BOXES, photos, "--folder", tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = re.search(
        r"([\d.]+)% of the (\d+) held-out digits found; of what is found ([\d.]+)% is right\n$", done.stdout
    )
    assert found
    assert float(found[1]) >= 100 * demo_detector.ENOUGH
    assert int(found[2]) == sum(len(path.read_text().splitlines()) for path in photos.glob("valid/labels/*.txt"))
    with Image.open(tmp_path / "found.jpg") as drawn:
        assert drawn.size == (demo_detector.DRAWN * demo_boxes.SIZE, demo_boxes.SIZE)
    assert len(re.findall(r"^  00\d.jpg  (?:\w+ \d+%(?:, )?)+$", done.stdout, re.MULTILINE)) == demo_detector.DRAWN


@pytest.mark.slow
def test_too_few_digits_found_fail(photos: Path, tmp_path: Path) -> None:
    """The pictures are turned upside down, and their labels are not."""
    spoilt = tmp_path / "boxes"
    shutil.copytree(photos, spoilt)
    for path in spoilt.glob("valid/images/*.jpg"):
        with Image.open(path) as picture:
            turned = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        turned.save(path)
    done = run("--find", BOXES, spoilt, "--folder", tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"demo: only \d+% of the digits are found, at least 60% are expected\n", done.stderr)


def test_a_variable_is_printed_and_passed_on_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("EDGEZOO_DEBUG", raising=False)
    demo_steps.zoo("list", COLUMNS="60", EDGEZOO_DEBUG="0")
    assert capfd.readouterr().out == "$ EDGEZOO_DEBUG=0 zoo list\n"
    with pytest.raises(SystemExit):
        demo_steps.zoo("frob", EDGEZOO_DEBUG="0")
    out, err = capfd.readouterr()
    assert out == "$ EDGEZOO_DEBUG=0 zoo frob\n"
    assert err.startswith("zoo: error: No such command 'frob'")
