"""The command `zoo run` on folders, patterns, standard input and sensor values."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli.main import main
from zoo.export import to_tflite


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    to_tflite(zoo.build("lenet", channels=3), folder / "m.tflite")
    (folder / "in").mkdir()
    for i in range(12):
        Image.new("RGB", (50, 40), (20 * i, 100, 0)).save(folder / "in" / f"{i:02}.jpg")
    (folder / "in" / "05.jpg").write_bytes(b"broken")
    return folder


def _zoo(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_a_folder_as_json(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _zoo("run", desk / "m.tflite", desk / "in", "--json", "--top-k", 2) == 1
    printed, errors = capsys.readouterr()
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [Path(line["file"]).name for line in lines] == [f"{i:02}.jpg" for i in range(12) if i != 5]
    assert all(len(line["predictions"]) == 2 for line in lines)
    assert errors.count("\n") == 1
    assert "05.jpg is not a picture" in errors


def test_a_pattern_as_csv(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _zoo("run", desk / "m.tflite", desk / "in" / "1*.jpg", "--csv", "--top-k", 3) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 2 * 3
    assert [row["rank"] for row in rows[:3]] == ["1", "2", "3"]
    assert 0 <= float(rows[0]["score"]) <= 1


def test_strict_stops(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _zoo("run", desk / "m.tflite", desk / "in", "--json", "--strict") == 1
    printed, errors = capsys.readouterr()
    assert len(printed.splitlines()) == 5
    assert "05.jpg" in errors


def test_standard_input(desk: Path) -> None:
    command = [str(Path(sys.executable).with_name("zoo")), "run", str(desk / "m.tflite"), "-", "--json"]
    done = subprocess.run(command, input=(desk / "in" / "00.jpg").read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout)["file"] == "standard input"
    broken = subprocess.run(command, input=b"broken", capture_output=True, check=False)
    assert broken.returncode == 1
    assert b"standard input is not a picture" in broken.stderr


def test_resize_overrides_the_card(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = np.zeros((20, 80, 3), np.uint8)
    wide[:, :30] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = []
    for resize in ("crop", "stretch"):
        assert _zoo("run", desk / "m.tflite", tmp_path / "wide.png", "--json", "--resize", resize) == 0
        found.append(json.loads(capsys.readouterr().out)["predictions"])
    assert found[0] != found[1]


@pytest.mark.slow
def test_a_folder_of_sensor_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = to_tflite(zoo.build("conv1d", width=16, channels=2), tmp_path / "m.tflite", quantize="int8").path
    (tmp_path / "in").mkdir()
    for i in range(3):
        np.save(tmp_path / "in" / f"{i}.npy", np.full((16, 2), i / 10))
    assert _zoo("run", path, tmp_path / "in", "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_results_are_flushed_as_they_come(desk: Path, tmp_path: Path) -> None:
    """The second picture is a pipe that nobody writes to, so the first result must be printed before it is read."""
    import signal

    reader, writer = os.pipe()
    command = [str(Path(sys.executable).with_name("zoo")), "run", str(desk / "m.tflite"), "--json"]
    pictures = [str(desk / "in" / f"{i:02}.jpg") for i in range(5)]
    process = subprocess.Popen(
        [*command, *pictures, *[f"/dev/fd/{reader}"] * 9],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[reader],
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["file"] == pictures[0]
    process.send_signal(signal.SIGINT)
    # The decoding threads wait for the pipe and end when its other end is closed.
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    os.close(reader)
    assert process.returncode == 130
    assert errors.decode().strip() == "zoo: error: interrupted"


@pytest.mark.slow
def test_names_of_any_bytes(desk: Path, tmp_path: Path) -> None:
    """Names that are not UTF-8 are escaped as in JSON, so that a program gets the original name."""
    name = os.fsdecode(b"r\xff.jpg")
    (tmp_path / name).write_bytes((desk / "in" / "00.jpg").read_bytes())
    (tmp_path / os.fsdecode(b"s\xff.jpg")).write_bytes(b"broken")
    command = [str(Path(sys.executable).with_name("zoo")), "run", str(desk / "m.tflite"), str(tmp_path)]
    environment = os.environ | {"PYTHONUTF8": "1"}
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, env=environment, check=False)
    assert Path(json.loads(done.stdout)["file"]).name == name
    assert done.stderr == f"zoo: error: {tmp_path}/s\\udcff.jpg is not a picture that Pillow can open\n"
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "r\\udcff.jpg\n" in done.stdout


def test_a_name_of_two_lines_gives_one_line(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x\nzoo: error: y.jpg").write_bytes(b"broken")
    assert _zoo("run", desk / "m.tflite", tmp_path, "--json") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_photo_without_permission_does_not_stop_the_others(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: not str(path).endswith(".jpg"))  # root can read every file
    assert _zoo("run", desk / "m.tflite", desk / "in" / "00.jpg", "--json") == 0
    assert "00.jpg" in capsys.readouterr().out


@pytest.mark.slow
def test_pillow_says_nothing_of_its_own(desk: Path, tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")  # about which Pillow warns
    command = [str(Path(sys.executable).with_name("zoo")), "run", str(desk / "m.tflite"), str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
