"""The option `zoo --models FILE.py`, and the variable EDGEZOO_MODELS."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli

NET = '''
import zoo

@zoo.register
def {name}(*, num_classes: int = 3, breadth: int = 4):
    """A net of one's own."""
    import keras

    pixels = keras.Input((8, 8, 1))
    x = keras.layers.Dense(breadth)(keras.layers.Flatten()(pixels))
    return keras.Model(pixels, keras.layers.Softmax()(keras.layers.Dense(num_classes)(x)))
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(NET.format(name="mine"))
    return path


def test_commands_know_the_models_of_a_file(cli_fork: Cli, file: Path) -> None:
    listed = json.loads(cli_fork("--models", file, "list", "--json").out)
    assert listed[-1]["name"] == "mine"
    assert listed[-1]["summary"] == "A net of one's own."
    helped = cli_fork("--models", file, "build", "--help")
    assert helped.code == 0
    assert "--breadth INTEGER" in helped.out
    without = cli_fork("build", "mine")
    assert without.error.startswith("unknown model 'mine'; ")


@pytest.mark.slow
def test_an_option_is_of_the_type_that_the_model_gives_it(cli_fork: Cli, tmp_path: Path) -> None:
    """`conv1d` has a whole `width`, `mobilenet_v2` an `alpha` with a fraction; one's own model the other way round."""
    signature = "width: float = 1.0, alpha: int = 2, num_classes: int = 3, breadth: int = 4"
    mine = tmp_path / "typed.py"
    mine.write_text(NET.format(name="typed").replace("num_classes: int = 3, breadth: int = 4", signature))
    typed = ("--models", mine, "info", "typed")
    result = cli_fork(*typed, "--width", "0.5", "--alpha", "3")
    assert (result.code, result.err) == (0, "")
    assert "'half' is not a valid float" in cli_fork(*typed, "--width", "half").err
    assert "'0.5' is not a valid integer" in cli_fork(*typed, "--alpha", "0.5").err
    assert "'0.5' is not a valid integer" in cli_fork("--models", mine, "info", "conv1d", "--width", "0.5").err


@pytest.mark.slow
def test_a_model_of_ones_own_is_built_and_run(cli_fork: Cli, file: Path, tmp_path: Path) -> None:
    built = cli_fork("--models", file, "build", "mine", "--breadth", "5", "--quantize", "int8")
    assert (built.code, built.err) == (0, "")
    card = json.loads(cli_fork("inspect", "mine_int8.tflite", "--json").out)["card"]
    assert card["architecture"] == "mine"
    assert card["options"] == {"num_classes": 3, "breadth": 5}
    (tmp_path / "picture.png").write_bytes(_png())
    ran = cli_fork("run", "mine_int8.tflite", "picture.png", "--json")
    assert json.loads(ran.out)["predictions"][0]["label"] in {"class_0", "class_1", "class_2"}


def test_the_variable_names_several_files(
    cli_fork: Cli, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.py"
    other.write_text(NET.format(name="theirs"))
    monkeypatch.setenv("EDGEZOO_MODELS", f"{file}{os.pathsep}{other}")
    assert [row["name"] for row in json.loads(cli_fork("list", "--json").out)][-2:] == ["mine", "theirs"]


def test_a_bad_file_is_one_line(cli: Cli, file: Path, tmp_path: Path) -> None:
    file.write_text("import zoo\n\n1 / 0\n")
    result = cli("--models", file, "list")
    assert (result.code, result.out) == (1, "")
    assert result.error == f"{file}, line 3: ZeroDivisionError: division by zero"
    assert cli("--models", tmp_path / "none.py", "list").error == (
        f"there is no file {tmp_path / 'none.py'}; give a Python file that registers models"
    )


def _png() -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (8, 8), 200).save(stream, "PNG")
    return stream.getvalue()
