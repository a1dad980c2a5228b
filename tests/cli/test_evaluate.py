from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.conftest import Array, Cli, Elsewhere


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, trained_lenet: Any, digits: tuple[Array, Array]) -> dict[str, Path]:
    from zoo.export import to_tflite

    folder = tmp_path_factory.mktemp("files")
    labels = [str(i) for i in range(10)]
    for mode in ("none", "int8"):
        to_tflite(trained_lenet, folder / f"{mode}.tflite", quantize=mode, calibration=digits[0][:100], labels=labels)
    return {mode: folder / f"{mode}.tflite" for mode in ("none", "int8")}


@pytest.mark.slow
def test_text(cli: Cli, files: dict[str, Path], digits_folder: Path) -> None:
    done = cli("evaluate", files["none"], digits_folder)
    assert (done.code, done.err) == (0, "")
    first = done.out.splitlines()[0]
    assert first.startswith("120 pictures, top-1 ")
    assert ", top-5 " in first
    assert "precision" in done.out
    assert "What they are (rows)" in done.out


def test_json_and_a_comparison(cli: Cli, files: dict[str, Path], digits_folder: Path) -> None:
    done = cli("evaluate", files["none"], digits_folder, "--against", files["int8"], "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["pictures"] == 120
    assert sum(map(sum, found["confusion"])) == 120
    assert found["top1"] > 0.85
    assert len(found["mistakes"]) == round(120 * (1 - found["top1"]))
    comparison = found["against"]["comparison"]
    assert comparison["difference"] == pytest.approx(found["top1"] - found["against"]["top1"])
    assert comparison["low"] < comparison["difference"] < comparison["high"]
    text = cli("evaluate", files["none"], digits_folder, "--against", files["int8"], "--mistakes", "0").out
    assert f"The same name for {comparison['agreement']:.1%} of 120 pictures." in text
    assert "Mistakes:" not in text


def test_the_confusion_matrix_as_csv_and_picture(
    cli: Cli, files: dict[str, Path], digits_folder: Path, tmp_path: Path
) -> None:
    done = cli("evaluate", files["none"], digits_folder, "--confusion", tmp_path / "c.csv", "--json")
    with (tmp_path / "c.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["truth", *map(str, range(10))]
    assert [[int(n) for n in row[1:]] for row in rows] == json.loads(done.out)["confusion"]
    assert cli("evaluate", files["none"], digits_folder, "--confusion", tmp_path / "c.png").code == 0
    with Image.open(tmp_path / "c.png") as image:
        assert min(image.size) > 300
        assert np.asarray(image).std() > 10


def test_what_is_wrong_is_said(
    cli: Cli, files: dict[str, Path], digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("evaluate", files["none"], digits_folder, "--confusion", tmp_path / "c.pdf")
    assert done.code == 2
    assert "ends neither in .csv nor in .png" in done.error
    assert "no data folder" in cli("evaluate", files["none"], tmp_path / "none").error
    (tmp_path / "data" / "cat").mkdir(parents=True)
    shutil.copy(digits_folder / "0" / "0.png", tmp_path / "data" / "cat")
    assert "'cat' is none of the classes" in cli("evaluate", files["none"], tmp_path / "data").error
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = cli("evaluate", files["none"], digits_folder, "--confusion", tmp_path / "c.png")
    assert "pip install matplotlib" in done.error
    assert list(tmp_path.glob("c.*")) == []


def test_labels_of_ones_own(cli: Cli, files: dict[str, Path], digits_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(digits_folder, tmp_path / "data")
    for i in range(10):
        (tmp_path / "data" / str(i)).rename(tmp_path / "data" / f"digit {i}")
    (tmp_path / "labels.txt").write_text("".join(f"digit {i}\n" for i in range(10)))
    done = cli("evaluate", files["none"], tmp_path / "data", "--labels", tmp_path / "labels.txt", "--json")
    assert json.loads(done.out)["top1"] > 0.85
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    done = cli("evaluate", files["none"], tmp_path / "data", "--labels", tmp_path / "labels.txt")
    assert "has 10 classes but there are 2 labels" in done.error


def test_an_unreadable_picture_is_reported(
    cli: Cli, files: dict[str, Path], digits_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(digits_folder, tmp_path / "data")
    (tmp_path / "data" / "3" / "bad.png").write_bytes(b"no picture")
    done = cli("evaluate", files["none"], tmp_path / "data")
    assert done.code == 1
    assert "bad.png is not a picture" in done.error
    assert done.out.startswith("120 pictures, ")


CODE = "import sys; from zoo.cli.main import main; main(sys.argv[1:])"


@pytest.mark.parametrize("environment", ["base_python", "tflite_runtime_python"])
def test_on_a_board(
    request: pytest.FixtureRequest, environment: str, elsewhere: Elsewhere, files: dict[str, Path], digits_folder: Path
) -> None:
    python: Path = request.getfixturevalue(environment)
    out = elsewhere(python, CODE, "evaluate", files["int8"], digits_folder, "--against", files["none"], "--json")
    found = json.loads(out)
    assert found["pictures"] == 120
    assert found["against"]["comparison"]["agreement"] > 0.9
