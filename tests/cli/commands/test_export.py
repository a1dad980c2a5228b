"""The commands `zoo export` and `zoo build --quantize`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.cli.main import main
from zoo.runner import load
from zoo.tflite.card import describe


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model whose weights differ from those of a new build."""
    model = zoo.build("lenet", num_classes=3)
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(np.random.default_rng(0).normal(scale=0.1, size=weight.shape))
    path = tmp_path_factory.mktemp("keras") / "mine.keras"
    model.save(path)
    return path


def _zoo(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_several_modes_one_table(keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    code = _zoo(
        "export",
        keras_file,
        "--quantize",
        "none,float16,dynamic",
        "--labels",
        tmp_path / "labels.txt",
        "--out",
        tmp_path,
    )
    printed, errors = capsys.readouterr()
    assert (code, errors) == (0, "")
    names = ["mine.tflite", "mine_float16.tflite", "mine_dynamic.tflite"]
    rows = [line for line in printed.splitlines() if ".tflite" in line and "Try it" not in line]
    assert [name in row for name, row in zip(names, rows, strict=True)] == [True] * 3
    for name in names:
        description = describe(tmp_path / name)
        assert description.labels == ("a", "b", "c")
        assert description.card["weights"] == "trained"
        assert description.card["source"] == "mine.keras"


@pytest.mark.slow
def test_int8_with_a_folder(
    keras_file: Path, digits_like_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", keras_file, "--quantize", "int8", "--calibration", digits_like_folder, "--out", tmp_path]
    assert _zoo(*arguments, "--calibration-samples", 12, "--resize", "pad", "--license", "CC0", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document[0]["path"] == str(tmp_path / "mine_int8.tflite")
    card = describe(tmp_path / "mine_int8.tflite").card
    assert card["calibration"]["count"] == 12
    assert card["preprocessing"] == {"resize": "pad"}
    assert card["license"] == "CC0"


@pytest.fixture
def digits_like_folder(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for name in ("x", "y"):
        (folder / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--quantize", "int8"], 1, "give some tens of training pictures"),
        (["--quantize", "int4"], 2, "'int4' is not one of none, float16"),
        (["--quantize", "int8", "--calibration", "nowhere"], 1, "no calibration folder nowhere"),
        (["--target", "edgetpu"], 1, "int8 files only, not 'none'"),
        (
            ["--quantize", "none,int16x8", "--min-agreement", "nan"],
            1,
            "--min-agreement nan is not allowed; give 0 to 1",
        ),
        (["--input-range", "1"], 2, "'1' is not two numbers"),
        (["--input-range", "1,1"], 1, "input range 1,1 is not allowed"),
        (["--labels", "nowhere.txt"], 1, "cannot read label file nowhere.txt"),
        (["--batch", "0"], 2, "0 is not in the range"),
    ],
)
def test_one_clear_line(
    arguments: list[str],
    code: int,
    message: str,
    keras_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _zoo("export", keras_file, *arguments) == code
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert errors.count("\n") == 1
    assert message in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("build", "lenet"), ("export", "nowhere.keras")])
def test_options_are_checked_before_tensorflow_loads(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options of all modes are checked first: if the second mode is impossible, the first file is not made."""
    monkeypatch.chdir(tmp_path)
    for module in ("zoo.cli.commands.build", "zoo.cli.commands.export"):
        monkeypatch.setattr(f"{module}.import_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    assert _zoo(*command, "--quantize", "int8,none", "--target", "edgetpu") == 1
    assert "the Edge TPU runs int8 files only, not 'none'; give --quantize int8" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_type_of_the_ends_counts_for_int8_alone(
    keras_file: Path, digits_like_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["export", keras_file, "--quantize", "none,int8", "--io", "int8", "--calibration", digits_like_folder]
    assert _zoo(*arguments, "--seed", 3, "--batch", 2, "--out", out, "--json") == 0
    assert [entry["quantize"] for entry in json.loads(capsys.readouterr().out)] == ["none", "int8"]
    for name, kind in (("mine.tflite", "float32"), ("mine_int8.tflite", "int8")):
        session = load(out / name)
        assert [session.input.dtype.name, session.outputs[0].dtype.name] == [kind, kind]
        assert session.input.shape[0] == 2
    assert describe(out / "mine_int8.tflite").card["calibration"]["seed"] == 3


def test_the_name_of_a_model_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("keras:MobileNetV2", "lenet"):
        assert _zoo("export", name) == 1
        line = f"zoo: error: {name} is the name of a model, not a file: zoo build {name} builds and exports it"
        assert capsys.readouterr().err.startswith(line)
    assert _zoo("export", "keras") == 1
    assert capsys.readouterr().err == "zoo: error: no model file keras\n"


def test_files_that_are_no_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    for name, message in (
        ("bad.keras", "cannot load"),
        ("none.keras", "no model file"),
        ("m.onnx", "no model file"),
    ):
        assert _zoo("export", tmp_path / name) == 1
        errors = capsys.readouterr().err
        assert errors.count("\n") == 1
        assert message in errors
    (tmp_path / "m.txt").write_text("text")
    assert _zoo("export", tmp_path / "m.txt") == 1
    assert "give a .keras or .h5 file" in capsys.readouterr().err


@pytest.mark.slow
def test_disagreement_has_its_own_exit_code(
    keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from zoo.export.checking.verify import verify

    def half(*args: Any, **options: Any) -> Any:
        found = verify(*args, **options)
        return dataclasses.replace(found, agreement=found.agreement._replace(share=0.5))

    monkeypatch.setattr("zoo.export.preparing.verify", half)
    assert _zoo("export", keras_file, "--out", tmp_path) == 3
    assert "on 50% of 32 inputs only (synthetic inputs), at least 99%" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert _zoo("export", keras_file, "--out", tmp_path, "--min-agreement", "0.4") == 0


def test_h5_files_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.h5"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zoo.build("mlp", hidden=(4,)).save(path)
    capsys.readouterr()
    assert _zoo("export", path, "--out", tmp_path, "--no-verify") == 0
    assert (tmp_path / "old.tflite").is_file()


def test_an_open_size_is_given_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    entry = keras.Input((None, None, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(entry))
    keras.Model(entry, keras.layers.Dense(3)(features)).save(tmp_path / "open net.keras")
    assert _zoo("export", tmp_path / "open net.keras", "--input-size", "16,24", "--out", tmp_path) == 0
    assert load(tmp_path / "open net.tflite").input.shape == (1, 16, 24, 3)
    assert capsys.readouterr().out.splitlines()[-1] == f"Try it: zoo run '{tmp_path}/open net.tflite' PHOTO.jpg"
    assert _zoo("export", tmp_path / "open net.keras", "--input-size", "0", "--out", tmp_path) == 1
    assert "--input-size 0 is not allowed; give 1 or more" in capsys.readouterr().err


def test_what_is_to_be_tried_is_what_the_file_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    model = keras.Sequential([keras.Input((12, 5)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.save(tmp_path / "windows.keras")
    assert _zoo("export", tmp_path / "windows.keras", "--out", tmp_path) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Try it: zoo run {tmp_path}/windows.tflite VALUES.npy  (numbers of shape (12, 5))"
