"""The command `zoo diagnose`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.compress.nets import pictures, with_outlier

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "mine.keras"
    with_outlier().save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i, picture in enumerate(pictures(20)):
        (folder / f"class{i % 2}").mkdir(exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"class{i % 2}" / f"{i}.png")
    return folder


@pytest.mark.slow
def test_a_table_a_drawing_and_advice(cli: Cli, keras_file: Path, folder: Path, tmp_path: Path) -> None:
    result = cli("diagnose", keras_file, folder, "--plot", tmp_path / "layers.png")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split()[:4] == ["layer", "kind", "weights", "per"]
    assert {line.split()[0] for line in lines[2:4]} == {"pointwise", "pool"}
    assert any(line.startswith("advice: int8 changes") and "--keep-float" in line for line in lines)
    assert f"drawn: {tmp_path / 'layers.png'}" in lines
    with Image.open(tmp_path / "layers.png") as image:
        assert image.format == "PNG"


@pytest.mark.slow
def test_json_has_all_of_it(cli: Cli, keras_file: Path, folder: Path) -> None:
    document = json.loads(cli("diagnose", keras_file, folder, "--compare", "10", "--json").out)
    assert document["inputs"] == 10
    assert document["calibrated_on"] == 20
    assert {row["layer"] for row in document["rows"]} >= {"first", "depthwise", "pointwise", "logits"}
    assert document["advice"][0]["what"] == "keep_float"
    assert document["whole"]["int8"]["changed"] > 0.3


def test_an_unknown_picture_format_is_refused_before_anything_is_measured(
    cli: Cli, keras_file: Path, folder: Path, tmp_path: Path
) -> None:
    result = cli("diagnose", keras_file, folder, "--plot", tmp_path / "layers.gif")
    assert result.code == 1
    assert "ends neither in .png nor in .svg" in result.err


def test_values_are_not_resized(cli: Cli, tmp_path: Path) -> None:
    zoo.build("mlp", features=4, num_classes=2).save(tmp_path / "values.keras")
    np.save(tmp_path / "values.npy", np.zeros((20, 4), np.float32))
    result = cli("diagnose", tmp_path / "values.keras", tmp_path / "values.npy", "--resize", "pad", "--json")
    assert (result.code, result.out) == (1, "")
    assert result.error.endswith("does not take pictures, so that none is resized; leave --resize out")


def test_too_few_pictures_are_refused_in_one_line(cli: Cli, keras_file: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "few" / "a.png")
    result = cli("diagnose", keras_file, tmp_path / "few")
    assert result.code == 1
    assert "calibration needs at least 10 examples, found 1" in result.err
    assert len(result.err.splitlines()) == 1
