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
    low, high = found["top1_interval"]
    assert 0.8 < low < found["top1"] < high < 1
    rows = found["above"]
    assert (rows[0]["min_score"], rows[0]["count"], rows[0]["accuracy"]) == (0, 120, found["top1"])
    counts = [row["count"] for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < 120
    assert rows[-1]["coverage"] == counts[-1] / 120
    assert 0 <= found["calibration_error"] < 0.5
    comparison = found["against"]["comparison"]
    assert comparison["difference"] == pytest.approx(found["top1"] - found["against"]["top1"])
    assert comparison["low"] < comparison["difference"] < comparison["high"]
    text = cli("evaluate", files["none"], digits_folder, "--against", files["int8"], "--mistakes", "0").out
    assert f"The same name for {comparison['agreement']:.1%} of 120 pictures." in text
    assert "Mistakes:" not in text
    (line,) = (line for line in text.splitlines() if line.startswith("0.95 "))
    assert line.split() == ["0.95", str(counts[-1]), f"{counts[-1] / 120:.1%}", f"{rows[-1]['accuracy']:.1%}"]


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


def test_a_number_of_mistakes_is_refused_for_json(cli: Cli, files: dict[str, Path], digits_folder: Path) -> None:
    done = cli("evaluate", files["none"], digits_folder, "--mistakes", "2", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("--mistakes is for the table and --draw, and --json has a list of its own")


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


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["base_python", "tflite_runtime_python"])
def test_on_a_board(
    request: pytest.FixtureRequest, environment: str, elsewhere: Elsewhere, files: dict[str, Path], digits_folder: Path
) -> None:
    python: Path = request.getfixturevalue(environment)
    out = elsewhere(python, CODE, "evaluate", files["int8"], digits_folder, "--against", files["none"], "--json")
    found = json.loads(out)
    assert found["pictures"] == 120
    assert found["against"]["comparison"]["agreement"] > 0.9


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `run`, an MLP that learned 60 pictures of noise by heart, and `pictures`, those and others."""
    import zoo
    from zoo.export import export_run

    folder = tmp_path_factory.mktemp("learned")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(30):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / "pictures" / name / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        # No test looks at the figures.
        patch.setattr("zoo.plots.save", lambda _, path: path.touch())
        result = zoo.train(
            "mlp", folder / "pictures", out=folder / "run", channels=3, input_size=8, hidden=64, epochs=12,
            head_epochs=0, patience=0, schedule="constant", augment="none", batch_size=8,
        )  # fmt: skip
    export_run(result, ["none"])
    return folder


def test_a_file_that_may_have_learned_nothing_is_doubted(
    cli: Cli, files: dict[str, Path], digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "note: " not in cli("evaluate", files["none"], digits_folder).out
    monkeypatch.setattr("zoo.tasks.confusion.Confusion.doubt", lambda _: "all 120 answers are '3'")
    line = f"{files['none']}: all 120 answers are '3'; 120 pictures do not show that this file tells the classes apart"
    assert cli("evaluate", files["none"], digits_folder).out.splitlines()[1] == f"note: {line}"
    assert json.loads(cli("evaluate", files["none"], digits_folder, "--json").out)["notes"] == [line]


def test_training_pictures_are_counted_and_left_out(learned: Path, cli: Cli, tmp_path: Path) -> None:
    (file,) = (learned / "run").glob("*.tflite")
    done = cli("evaluate", file, learned / "pictures", "--mistakes", "0")
    first, second = done.out.splitlines()[:2]
    assert (done.code, done.err) == (0, "")
    assert (
        first == "48 of these 60 pictures were trained on and are left out (--all judges them, too); 12 were held out"
    )
    assert second.startswith("12 pictures, top-1 ")
    found = json.loads(cli("evaluate", file, learned / "pictures", "--json").out)
    assert (found["training_pictures"], found["pictures"]) == (48, 12)
    everything = json.loads(cli("evaluate", file, learned / "pictures", "--all", "--json").out)
    assert (everything["training_pictures"], everything["pictures"]) == (48, 60)
    assert everything["note"] == "48 of these 60 pictures were trained on: the figures flatter"
    assert everything["top1"] > found["top1"]


def test_training_pictures_are_known_after_the_file_was_moved(learned: Path, cli: Cli, tmp_path: Path) -> None:
    """By the card, if the folder is what it was; else it is said that nobody can tell."""
    (file,) = (learned / "run").glob("*.tflite")
    shutil.copy(file, tmp_path / "m.tflite")
    shutil.copytree(learned / "pictures", tmp_path / "pictures")
    assert json.loads(cli("evaluate", tmp_path / "m.tflite", tmp_path / "pictures", "--json").out)["pictures"] == 12
    (tmp_path / "pictures" / "cat" / "0.png").unlink()
    done = cli("evaluate", tmp_path / "m.tflite", tmp_path / "pictures")
    assert done.out.splitlines()[0].startswith(f"{tmp_path / 'm.tflite'} was trained on 48 pictures; whether some of")
    # In the run's folder, any picture can be asked about.
    found = json.loads(cli("evaluate", file, tmp_path / "pictures", "--json").out)
    assert found["training_pictures"] + found["pictures"] == 59


def test_the_accuracy_in_a_card_is_the_files_own(learned: Path) -> None:
    from zoo.tflite.card import checksum, describe

    (file,) = (learned / "run").glob("*.tflite")
    card = describe(file).card
    row = next(row for row in json.loads((learned / "run" / "files.json").read_text()) if row["mode"] == "none")
    assert card["accuracy"] == row["accuracy"]
    assert card["accuracy_on"] == {"split": "validation", "count": 12}
    assert checksum(file) == "right"
