"""The README's commands and programs, run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _commands(block: str) -> list[str]:
    return [line.split("#")[0].strip() for line in block.splitlines() if line.startswith("zoo ")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a photo, and pictures of three classes."""
    folder = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    for name, color in (("red", (200, 40, 40)), ("green", (40, 200, 40)), ("blue", (40, 40, 200))):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(12):
            noisy = np.clip(np.array(color) + rng.integers(-40, 40, (100, 120, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / "pictures" / name / f"{i}.jpg")
    Image.new("RGB", (300, 200), (210, 30, 30)).save(folder / "photo.jpg")
    return folder


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _zoo(command: str, folder: Path) -> str:
    return _run([str(Path(sys.executable).with_name("zoo")), *command.split()[1:]], folder)


def test_the_first_commands(desk: Path) -> None:
    block = next(block for block in _blocks("sh") if "pip install" in block)
    printed = [_zoo(command, desk) for command in _commands(block)]
    assert len(printed) == 2
    assert "mobilenet_v2.tflite" in printed[0]
    assert printed[1].startswith("photo.jpg\n")
    assert printed[1].count("%") == 5


@pytest.fixture
def published(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras' cache with a file as the published one is, so that nothing is downloaded: a backbone that has seen the
    desk's pictures for a moment."""
    import keras

    import zoo
    from tests.weights.conftest import save_legacy
    from zoo.weights.published import choose

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    keras.utils.set_random_seed(0)
    options: dict[str, Any] = {"alpha": 0.5, "input_size": 160, "num_classes": 3}
    ours = zoo.build("mobilenet_v2", **options)
    for layer in ours.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    ours.compile("adam", "sparse_categorical_crossentropy")
    data = zoo.load_folder(desk / "pictures", 160, batch_size=12, validation=0.0)
    ours.fit(data.train, epochs=6, shuffle=False, verbose=0)
    theirs = keras.applications.MobileNetV2((160, 160, 3), alpha=0.5, include_top=False, weights=None)
    theirs.set_weights(ours.get_weights()[: len(theirs.weights)])
    save_legacy(theirs, tmp_path / "models" / choose("mobilenet_v2", options).path.name)


@pytest.mark.slow
def test_from_a_folder_to_a_board(desk: Path, published: None) -> None:
    block = next(block for block in _blocks("sh") if "zoo train" in block)
    checked, trained, evaluated, timed = (_zoo(command, desk) for command in _commands(block))
    assert "red" in checked
    assert "mobilenet_v2_0.5_160_int8.tflite" in trained
    assert "The same name for" in evaluated
    assert "time / first" in timed
    block = next(block for block in _blocks("sh") if "zoo doctor" in block)
    healthy, named = (_zoo(command, desk) for command in _commands(block))
    assert "runs it" in healthy
    assert named.startswith("photo.jpg\n")
    block = next(block for block in _blocks("sh") if "zoo export" in block)
    exported, inspected, listed = (_zoo(command, desk) for command in _commands(block))
    assert "model_dynamic.tflite" in exported
    assert "tflite-runtime 2.14: loads" in inspected
    assert {line.split(",")[2] for line in listed.splitlines()[1:]} <= {"red", "green", "blue"}
    assert len(listed.splitlines()) == 1 + 36


@pytest.mark.slow
def test_the_programs(desk: Path) -> None:
    train, classify = _blocks("python")
    assert float(_run([sys.executable, "-c", train], desk).splitlines()[-1]) > 0.9
    assert "Prediction(label='red'" in _run([sys.executable, "-c", classify], desk)


def test_the_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", "\n".join(_blocks("sh")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_table_of_models() -> None:
    import zoo

    rows = _table("## The models")
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


def test_the_table_of_commands() -> None:
    assert _table("## The commands") == [[f"`zoo {name}`", text] for name, (_, _, text) in COMMANDS.items()]


def _table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading."""
    section = README.split(f"{heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
