"""What README.md shows is run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.runner import Classifier

if TYPE_CHECKING:
    from tests.conftest import Cli

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_zoo_commands(cli: Cli, photos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(photos[1], tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    commands = [
        shlex.split(line, comments=True)
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("zoo ")
    ]
    assert ["zoo", "build", "mobilenet_v2", "--export", "tflite"] in commands
    assert ["zoo", "run", "mobilenet_v2.tflite", "photo.jpg"] in commands
    for _, *args in commands:
        result = cli(*args)
        assert result.code == 0, (args, result)


def test_the_make_targets() -> None:
    makefile = (Path(__file__).resolve().parent.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE)
    assert targets == ["demo", "test"]
    for target in targets:
        assert f"\n{target}:" in makefile


# Keras says so of every dataset, with its own default.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.slow
def test_the_python_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: tuple[Path, Path]) -> None:
    """Trains for ten epochs as it says, on three classes of two small pictures each."""
    for name in ("cat", "dog", "owl"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(2):
            picture = np.random.default_rng(i).integers(0, 256, (96, 96, 3)).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / "pictures" / name / f"{i}.png")
    shutil.copy(photos[1], tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert Classifier("mine.tflite").labels == ("cat", "dog", "owl")


def test_the_table_of_models() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in README.splitlines() if line.startswith("| `")
    ]
    assert sorted(row[0].strip("`") for row in rows) == sorted(zoo.list_models())
    for name, shape, params, macs, options in rows:
        spec = zoo.spec(name.strip("`"))
        assert spec.input_shape is not None
        assert spec.macs is not None
        assert shape == "x".join(map(str, spec.input_shape))
        assert params == f"{spec.params:,}"
        value, unit = macs.split()
        scale = {"M": 1e6, "G": 1e9}[unit]
        assert f"{spec.macs / scale:.{len(value.partition('.')[2])}f}" == value
        own = {option.name for option in spec.options} - {"num_classes", "dropout"}
        assert set(re.findall(r"`(\w+)`", options)) == own
