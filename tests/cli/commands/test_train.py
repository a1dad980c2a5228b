from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import VerificationError
from zoo.runner import Classifier

if TYPE_CHECKING:
    from tests.conftest import Array, Cli


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, digits: tuple[Array, Array]) -> Path:
    """Writes 300 digits, one folder for each class, and one file that is not a picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, (picture, label) in enumerate(zip(digits[0][:300], digits[1][:300], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(label) / f"{i:03}.png")
    (folder / "3" / "bad.png").write_bytes(b"no picture")
    return folder


@pytest.mark.slow
def test_from_a_folder_to_files_for_a_board(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("train", "lenet", pictures, "--epochs", "6", "--export", "tflite", "--quantize", "none,int8")
    assert (done.code, done.err) == (0, "")
    epochs = [line for line in done.out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 6
    run = Path("runs") / f"lenet-{pictures.name}"
    assert f"zoo run {run}/lenet_int8.tflite PHOTO.jpg" in done.out
    files = {row["mode"]: row for row in json.loads((run / "files.json").read_text())}
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(files) == {"keras", "none", "int8"}
    # The float file gives the same classes as Keras, although the runner reads the pictures itself.
    assert files["none"]["accuracy"] == files["keras"]["accuracy"] == metrics["accuracy"]
    assert files["int8"]["accuracy"] > metrics["accuracy"] - 0.1
    assert files["int8"]["bytes"] < files["none"]["bytes"] < files["keras"]["bytes"]
    assert "lenet_int8.tflite" in (run / "README.md").read_text()
    classifier = Classifier(run / "lenet_int8.tflite")
    assert classifier.labels == tuple(map(str, range(10)))
    assert classifier.card["trained_on"] + metrics["count"] == 300
    # Not again into the same folder.
    assert "exists already; continue it (--resume runs/lenet-" in cli("train", "lenet", pictures).error
    # A finished run says so, and leads to the files that it has.
    said = cli("train", "--resume", run).out
    assert f"note: {run} is finished; nothing of it is trained any further" in said
    assert f"Try it: zoo run {run}/lenet_int8.tflite PHOTO.jpg" in said
    # A finished run can be exported later.
    done = cli("train", "--resume", run, "--export", "tflite", "--quantize", "float16", "--json")
    found = json.loads(done.out)
    assert [row["mode"] for row in found["files"]] == ["keras", "float16"]
    assert found["accuracy"] == metrics["accuracy"]
    done = cli("train", "--resume", run, "--export", "tfjs")
    assert (done.code, done.err) == (0, "")
    assert f"Its folder for TensorFlow.js: {run}/lenet_tfjs" in done.out
    assert "zoo run" not in done.out
    assert {one.name for one in (run / "lenet_tfjs").iterdir()} == {"model.json", "weights.bin", "metadata.json"}


@pytest.mark.slow
def test_a_recipe_file_and_options_that_win(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("epochs = 9\nbatch_size = 50\nseed = 4\n")
    args = ("train", "lenet", pictures, "--recipe", tmp_path / "r.toml", "--epochs", "1", "--out", tmp_path / "run")
    done = cli(*args, "--json")
    assert done.code == 0
    assert json.loads(done.out)["epochs"] == 1
    assert "epoch   1 " in done.err
    text = (tmp_path / "run" / "recipe.toml").read_text()
    assert "epochs = 1\n" in text
    assert "batch_size = 50\n" in text
    assert "seed = 4\n" in text


def test_what_is_wrong_is_said_without_tensorflow(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for args, code, message in [
        ([], 2, "give MODEL and DATA, or --resume RUN_DIR"),
        (["lenet"], 2, "give MODEL and DATA"),
        (["lenet", "d", "--resume", "r"], 2, "--resume takes all from its folder"),
        (["--resume", "r", "--epochs", "3"], 2, "--resume takes all from its folder"),
        (["inception", "d"], 1, "unknown model 'inception'"),
        (["lenet", "d", "--quantize", "int8"], 2, "--quantize is for --export tflite"),
        (["lenet", "d", "--export", "tfjs", "--quantize", "int8"], 2, "--quantize is for --export tflite"),
        (["lenet", "d", "--min-agreement", "0.5"], 2, "--min-agreement is for --export tflite"),
        (["lenet", "d", "--export", "tflite", "--target", "edgetpu"], 1, "the Edge TPU runs int8 files only"),
        (["lenet", "d", "--alpha", "0.5"], 1, "alpha"),
        (["lenet", "d", "--recipe", str(tmp_path / "no.toml")], 1, "cannot read recipe"),
    ]:
        done = cli("train", *args)
        assert done.code == code, args
        assert message in done.error


@pytest.mark.slow
def test_the_figures_and_the_other_files_are_shown_though_a_file_is_not_kept(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.export.checking.checks import require_agreement as kept

    def refuse(verification: Any, mode: Any, name: str) -> None:
        if mode.name == "int8":
            raise VerificationError(f"{name} was not kept")
        kept(verification, mode, name)

    monkeypatch.setattr("zoo.export.checking.judging.require_agreement", refuse)
    run = tmp_path / "run"
    done = cli(
        "train", "lenet", pictures, "--epochs", "1", "--out", run, "--export", "tflite", "--min-agreement", "0.5"
    )
    assert (done.code, done.error) == (3, "lenet_int8.tflite was not kept")
    lines = done.out.splitlines()
    (accuracy,) = (at for at, line in enumerate(lines) if line.startswith("accuracy "))
    (table,) = (at for at, line in enumerate(lines) if line.startswith("lenet.tflite "))
    assert accuracy < table
    assert not any(line.startswith("lenet_int8.tflite ") for line in lines)
    assert lines[-2] == f"Try it: zoo run {run}/lenet.tflite PHOTO.jpg"
    again = ("train", "--resume", run, "--export", "tflite", "--quantize", "int8", "--min-agreement", "0.5", "--json")
    done = cli(*again)
    assert done.code == 3
    found = json.loads(done.out)
    assert [row["mode"] for row in found["files"]] == ["keras"]
    assert found["failed"] == [{"mode": "int8", "error": "lenet_int8.tflite was not kept"}]


@pytest.mark.slow
def test_values_that_are_not_allowed(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert "--epochs -1 is not allowed" in cli("train", "lenet", pictures, "--epochs", "-1", "--out", out).error
    assert "no layer of lenet" in cli("train", "lenet", pictures, "--freeze", "conv9", "--out", out).error
    assert not out.exists()


CODE = "import sys; from zoo.cli.main import main; main(sys.argv[1:])"


@pytest.mark.slow
def test_without_tensorflow_it_says_what_to_install(base_python: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [base_python, "-I", "-c", CODE, "train", "lenet", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "zoo: error: this needs TensorFlow, which is not installed: pip install 'edgezoo[tensorflow]'\n"
    )
