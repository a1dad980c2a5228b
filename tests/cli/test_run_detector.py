"""`zoo run` with a detector: what it prints, draws, cuts out and counts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import zoo.assets
from tests import detectors
from tests.detectors import cells

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detectors.two_outputs(tmp_path_factory.mktemp("run") / "colours.tflite", quantized=True)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Two pictures of 128x128 pixels: one with two red cells and a blue one, one with nothing."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    scene = cells((0, 0, "red"), (2, 1, "red"), (3, 3, "blue"), size=128)
    Image.fromarray(scene).save(folder / "a.png")
    Image.fromarray(cells(size=128)).save(folder / "b.png")
    return folder


def picture(path: Path) -> Image.Image:
    with Image.open(path) as image:
        rgb: Image.Image = image.convert("RGB")
    return rgb


def test_a_line_an_object(cli: Cli, file: Path, scenes: Path) -> None:
    done = cli("run", file, scenes)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert (lines[0], lines[4:]) == (str(scenes / "a.png"), [str(scenes / "b.png"), "  nothing found"])
    assert sorted(lines[1:4]) == [
        "  blue  100%  96,96-128,128",
        "  red   100%  0,0-32,32",
        "  red   100%  32,64-64,96",
    ]
    assert len(cli("run", file, scenes / "a.png", "--top-k", "2").out.splitlines()) == 3


def test_json_and_csv_have_the_box_in_pixels(cli: Cli, file: Path, scenes: Path) -> None:
    first, second = map(json.loads, cli("run", file, scenes, "--json", "--only", "blue").out.splitlines())
    (found,) = first["predictions"]
    assert (found["label"], found["index"]) == ("blue", 2)
    assert found["box"] == pytest.approx([96, 96, 128, 128], abs=0.5)
    assert second["predictions"] == []
    rows = list(csv.reader(io.StringIO(cli("run", file, scenes, "--csv", "--only", "blue,green").out)))
    assert rows[0] == ["file", "rank", "label", "index", "score", "left", "top", "right", "bottom"]
    assert [float(value) for value in rows[1][5:]] == pytest.approx([96, 96, 128, 128], abs=0.5)
    assert len(rows) == 2


def test_counts_by_class_and_picture(cli: Cli, file: Path, scenes: Path) -> None:
    assert cli("run", file, scenes, "--count").out.splitlines() == [
        str(scenes / "a.png"),
        "     2  red",
        "     1  blue",
        str(scenes / "b.png"),
        "     0  objects",
    ]
    found = [json.loads(line) for line in cli("run", file, scenes, "--count", "--json").out.splitlines()]
    assert [one["counts"] for one in found] == [{"red": 2, "blue": 1}, {}]
    rows = list(csv.reader(io.StringIO(cli("run", file, scenes, "--count", "--csv").out)))
    assert rows[0] == ["file", "label", "count"]
    assert sorted(rows[1:]) == [
        [str(scenes / "a.png"), "blue", "1"],
        [str(scenes / "a.png"), "red", "2"],
        [str(scenes / "b.png"), "", "0"],
    ]


def test_a_picture_with_the_most_objects_that_are_counted_is_noted(cli: Cli, file: Path, scenes: Path) -> None:
    done = cli("run", file, scenes, "--count", "--top-k", "3")
    assert done.err == "note: 1 picture has the most objects that are counted; --top-k sets another number\n"
    assert cli("run", file, scenes, "--count", "--top-k", "4").err == ""
    assert cli("run", file, scenes, "--top-k", "3").err == ""


def test_drawn_pictures_and_parts_are_written(cli: Cli, file: Path, scenes: Path, tmp_path: Path) -> None:
    done = cli("run", file, scenes, "--draw", tmp_path / "drawn", "--crop", tmp_path / "parts")
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.jpg", "b.jpg"]
    both = (scenes / "a.png", tmp_path / "drawn" / "a.jpg")
    before, after = (np.asarray(picture(path), int) for path in both)
    assert after.shape == before.shape
    assert abs(after - before).max() > 100
    parts = sorted((tmp_path / "parts").iterdir())
    assert sorted(path.stem.split("_")[-1] for path in parts) == ["blue", "red", "red"]
    for path in parts:
        part = np.asarray(picture(path), int)
        assert part.shape == (32, 32, 3)
        assert part[16, 16].argmax() == detectors.COLOURS.index(path.stem.split("_")[-1])


def test_one_photo_is_drawn_into_one_file(cli: Cli, file: Path, scenes: Path, tmp_path: Path) -> None:
    assert cli("run", file, scenes / "a.png", "--draw", tmp_path / "found.png").code == 0
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    done = cli("run", file, scenes, "--draw", tmp_path / "all.png")
    assert done.error == f"--draw {tmp_path / 'all.png'} is one file, but there may be several pictures; give a folder"
    assert not (tmp_path / "all.png").exists()


def test_files_that_are_not_written_are_no_folders(cli: Cli, file: Path, scenes: Path, tmp_path: Path) -> None:
    for name in ("found.mp4", "found.gif", "found.BMP"):
        done = cli("run", file, scenes / "a.png", "--draw", tmp_path / name)
        assert done.code != 0
        assert done.error.startswith(
            f"--draw {tmp_path / name}: {Path(name).suffix.lower()} files are not written; give a"
        )
        assert not (tmp_path / name).exists()
    # A folder that is there may have any name.
    (tmp_path / "frames.mp4").mkdir()
    assert cli("run", file, scenes / "a.png", "--draw", tmp_path / "frames.mp4").code == 0
    assert [path.name for path in (tmp_path / "frames.mp4").iterdir()] == ["a.jpg"]


def test_photos_of_one_name_are_drawn_into_files_of_their_own(
    cli: Cli, file: Path, scenes: Path, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    for name in ("a.png", "a-2.png"):
        picture(scenes / "a.png").save(tmp_path / "more" / name)
    assert cli("run", file, scenes, tmp_path / "more", "--draw", tmp_path / "drawn").code == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 4


def test_nothing_is_written_among_the_pictures_that_are_read(
    cli: Cli, file: Path, scenes: Path, tmp_path: Path
) -> None:
    picture(scenes / "a.png").save(scenes / "a.jpg")
    (tmp_path / "link").symlink_to(scenes)
    before = {path.name: path.read_bytes() for path in scenes.iterdir()}
    for photos, option, place in (
        ([scenes], "--draw", scenes),
        ([scenes], "--crop", scenes),
        ([tmp_path], "--draw", scenes),
        ([scenes / "*.png"], "--draw", scenes),
        ([scenes / "a.png", scenes / "b.png"], "--crop", tmp_path / "link"),
        ([tmp_path / "link" / "a.png"], "--draw", scenes),
        ([scenes / "a.jpg"], "--draw", scenes / "a.jpg"),
        ([tmp_path / "link" / "a.jpg"], "--draw", scenes / "a.jpg"),
    ):
        done = cli("run", file, *photos, option, place)
        assert (done.code, done.out) == (1, "")
        assert done.error.startswith(f"{option} {place} is ")
        assert "is read" in done.error
    assert {path.name: path.read_bytes() for path in scenes.iterdir()} == before
    # Another file in the folder, and a folder within it that holds no picture, are places of their own.
    assert cli("run", file, scenes / "a.png", "--draw", scenes / "found.png").code == 0
    assert cli("run", file, scenes, "--draw", scenes / "drawn").code == 0


def test_a_picture_that_its_format_cannot_hold_is_an_error_of_one_line(cli: Cli, file: Path, tmp_path: Path) -> None:
    Image.new("RGB", (17000, 16)).save(tmp_path / "wide.png")
    done = cli("run", file, tmp_path / "wide.png", "--draw", tmp_path / "found.webp")
    assert done.code == 1
    assert done.error.startswith(f"cannot write {tmp_path / 'found.webp'}: ")
    assert "17000x16 pixels, which a .png file holds" in done.error
    assert not (tmp_path / "found.webp").exists()


def test_long_names_of_any_script_are_cut_to_what_a_file_name_holds(
    cli: Cli, file: Path, scenes: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(["漢" * 90, "../../green", "\U0001d538" * 90]) + "\n", "utf-8")
    (scenes / "a.png").rename(scenes / f"{'字' * 80}.png")
    done = cli("run", file, scenes, "--labels", tmp_path / "labels.txt", "--crop", tmp_path / "parts")
    assert (done.code, done.err) == (0, "")
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert len(names) == 3
    assert all(name.startswith("字" * 26 + "_") and len(name.encode()) < 200 for name in names)


def test_names_of_classes_and_numbers_that_are_wrong(cli: Cli, file: Path, scenes: Path) -> None:
    done = cli("run", file, scenes, "--only", "red,bleu")
    assert done.code == 1
    assert done.error == "'bleu' is none of the classes of the file (red, green, blue); did you mean 'blue'?"
    assert cli("run", file, scenes, "--threshold", "1.2").code == 2
    assert cli("run", file, scenes, "--only", ",").code == 1


def test_a_class_whose_name_has_a_comma_is_looked_for_in_quotes(
    cli: Cli, file: Path, scenes: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text('pepper, red\n5" pipe\nblue\n', "utf-8")

    def found(only: str) -> list[str]:
        done = cli("run", file, scenes / "a.png", "--labels", tmp_path / "labels.txt", "--json", "--only", only)
        assert (done.code, done.err) == (0, "")
        return sorted(one["label"] for one in json.loads(done.out)["predictions"])

    assert found('"pepper, red"') == ["pepper, red"] * 2
    assert found('5" pipe, "pepper, red",blue') == ["blue", "pepper, red", "pepper, red"]
    done = cli("run", file, scenes, "--labels", tmp_path / "labels.txt", "--only", '"pepper, red')
    assert done.code == 1
    assert done.error.startswith('"pepper, red is no list of names (')
    assert 'into double quotes: cat,"salt, pepper"' in done.error


def test_a_classifier_finds_no_objects(cli: Cli, scenes: Path) -> None:
    digits = next(Path(zoo.assets.__file__).parent.glob("demo/digits_int8.tflite"))
    done = cli("run", digits, scenes, "--count", "--threshold", "0.5")
    assert done.code == 1
    assert done.error == f"{digits} is a classifier and finds no objects; leave --threshold and --count out"


def test_frames_of_a_video_are_counted_and_drawn(cli: Cli, file: Path, scenes: Path, tmp_path: Path) -> None:
    import cv2

    frame = np.asarray(picture(scenes / "a.png"))[:, :, ::-1]
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (128, 128))
    for _ in range(3):
        writer.write(frame)
    writer.release()
    done = cli("run", file, "--video", tmp_path / "v.mp4", "--frames", "2", "--draw", tmp_path / "frames")
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) == 2
    # In the order of the labels in each frame, whichever object is the surest one.
    assert all(line.endswith("fps  2 red, 1 blue") for line in lines)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["frame 000001.jpg", "frame 000002.jpg"]
    counted = cli("run", file, "--video", tmp_path / "v.mp4", "--count", "--top-k", "3")
    assert counted.err == "note: 3 frames have the most objects that are counted; --top-k sets another number\n"
    assert cli("run", file, "--video", tmp_path / "v.mp4", "--count", "--top-k", "4").err == ""
    args = ("--video", tmp_path / "v.mp4", "--frames", "1")
    assert cli("run", file, *args, "--draw", tmp_path / "first.png").code == 0
    assert picture(tmp_path / "first.png").size == (128, 128)
