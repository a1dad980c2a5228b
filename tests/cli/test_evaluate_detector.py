"""`zoo evaluate` with a detector: labelled boxes, what it prints, draws and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import zoo.assets
from tests import detectors
from tests.detectors import CELL, SCENES, SIDE, cells

if TYPE_CHECKING:
    from tests.conftest import Cli, Elsewhere


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detectors.two_outputs(tmp_path_factory.mktemp("judged") / "colours.tflite", quantized=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return detectors.write_scenes(tmp_path / "data")


def test_figures_by_hand(cli: Cli, file: Path, data: Path) -> None:
    done = cli("evaluate", file, data, "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["count"], found["objects"]) == (4, 7)
    # Red: two of two, and one more where a green one is labelled. Green: one of two. Blue: two of three, and one more.
    by_class = {one["label"]: one for one in found["classes"]}
    assert [(by_class[name]["use"]["precision"], by_class[name]["use"]["recall"]) for name in detectors.COLOURS] == [
        (pytest.approx(2 / 3), 1),
        (1, 0.5),
        (pytest.approx(2 / 3), pytest.approx(2 / 3)),
    ]
    assert by_class["green"]["ap50"] == pytest.approx(51 / 101)  # right up to half of the recall
    assert (found["threshold"]["precision"], found["threshold"]["recall"]) == (
        pytest.approx(5 / 7),
        pytest.approx(5 / 7),
    )
    assert found["confusion"]["labels"] == [*detectors.COLOURS, "(none)"]
    assert found["confusion"]["counts"] == [[2, 0, 0, 0], [1, 1, 0, 0], [0, 0, 2, 1], [0, 0, 1, 0]]
    # One red too many and one green too few in b, one blue too many in c, one too few in d.
    assert found["counting_error"] == 1
    assert [(Path(one["path"]).stem, one["there"], one["found"], one["right"]) for one in found["worst"]] == [
        ("b", 2, 2, 1),
        ("c", 1, 2, 1),
        ("d", 2, 1, 1),
    ]
    assert found["best_threshold"]["recall"] >= found["threshold"]["recall"]
    assert found["judged_classes"] == list(detectors.COLOURS)


def test_text_with_all_parts(cli: Cli, file: Path, data: Path) -> None:
    done = cli("evaluate", file, data, "--mistakes", "1")
    assert done.code == 0
    assert done.out.startswith("4 pictures with 7 objects, mAP ")
    for words in ("AP50", "AP75", "small", "large", "precision", "best F1", "Counts are off by 1.00", "(none)"):
        assert words in done.out
    assert "The worst pictures:" in done.out
    assert (str(data / "b.png") in done.out, str(data / "c.png") in done.out) == (True, False)
    # The size of the photo that is stored on its side is the same both ways: which one is meant is said.
    assert done.err.startswith("note: 1 picture that is turned upright")


def test_the_threshold_moves_precision_and_recall_but_not_the_map(cli: Cli, file: Path, tmp_path: Path) -> None:
    scene = cells((0, 0, "red"), size=2 * SIDE)
    scene[64:96, 96:110, 2] = 255  # seven of sixteen columns of a cell, in the input: a score of a quarter
    detectors.write_scenes(tmp_path / "data", {"a": ([], [(0, 0, "red"), (2, 3, "blue")])})
    Image.fromarray(scene).save(tmp_path / "data" / "a.png")
    usual, lower = (
        json.loads(cli("evaluate", file, tmp_path / "data", "--json", *more).out)
        for more in ((), ("--threshold", "0.2"))
    )
    assert usual["map"] == lower["map"] == pytest.approx(1)
    assert [(one["threshold"]["threshold"], one["threshold"]["recall"]) for one in (usual, lower)] == [
        (0.5, 0.5),
        (0.2, 1),
    ]
    assert usual["best_threshold"]["threshold"] == pytest.approx(0.25, abs=0.05)


def test_the_confusion_matrix_as_csv(cli: Cli, file: Path, data: Path, tmp_path: Path) -> None:
    assert cli("evaluate", file, data, "--confusion", tmp_path / "c.csv").code == 0
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines == ["truth,red,green,blue,(none)", "red,2,0,0,0", "green,1,1,0,0", "blue,0,0,2,1", "(none),0,0,1,0"]


def test_the_worst_pictures_are_drawn_with_what_is_there_and_what_is_found(
    cli: Cli, file: Path, data: Path, tmp_path: Path
) -> None:
    from zoo.tasks.objects.draw import MISSED, RIGHT, THERE, WRONG

    assert cli("evaluate", file, data, "--draw", tmp_path / "worst", "--mistakes", "2").code == 0
    assert sorted(path.name for path in (tmp_path / "worst").iterdir()) == ["001_b.jpg", "002_c.jpg"]
    with Image.open(tmp_path / "worst" / "001_b.jpg") as picture:
        assert picture.width >= 400
        assert picture.height > picture.width  # a strip below it says what the colours mean
        pixels = np.asarray(picture, int)[: picture.width]
    step = 4 * 2 * CELL

    def has(ink: tuple[int, int, int], row: int, column: int) -> bool:
        """Whether the edges of a cell have a colour, nearly, as JPEG keeps it."""
        top, left = row * step - 8, column * step - 8
        part = pixels[max(0, top) : top + step + 16, max(0, left) : left + step + 16].reshape(-1, 3)
        return bool((np.abs(part - ink).max(axis=1) < 40).sum() > step)

    assert (has(RIGHT, 1, 1), has(WRONG, 2, 2), has(MISSED, 2, 2)) == (True, True, True)
    good = detectors.write_scenes(tmp_path / "good", {"a": SCENES["a"]})
    assert cli("evaluate", file, good, "--draw", tmp_path / "none").err == "note: no picture has a mistake to draw\n"
    assert not (tmp_path / "none").exists()
    assert (has(MISSED, 1, 1), has(THERE, 1, 1), has(RIGHT, 2, 2)) == (False, True, False)


def test_no_mistakes_are_not_drawn(cli: Cli, file: Path, data: Path, tmp_path: Path) -> None:
    done = cli("evaluate", file, data, "--draw", tmp_path / "worst", "--mistakes", "0")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("--mistakes 0 leaves no picture to draw; give another number, or leave --draw out")
    # Beside --json it is the number of those that are drawn.
    assert cli("evaluate", file, data, "--draw", tmp_path / "worst", "--mistakes", "1", "--json").code == 0
    assert [path.name for path in (tmp_path / "worst").iterdir()] == ["001_b.jpg"]


def test_it_is_said_whose_answers_are_written(cli: Cli, file: Path, data: Path, tmp_path: Path) -> None:
    other = detectors.four_outputs(tmp_path / "four.tflite")
    places = ("--confusion", tmp_path / "c.csv", "--draw", tmp_path / "worst")
    done = cli("evaluate", file, data, *places, "--against", other)
    note = f"note: {tmp_path / 'c.csv'} and {tmp_path / 'worst'} show the answers of {file} alone"
    assert note in done.err.splitlines()
    assert "alone" not in cli("evaluate", file, data, *places).err


def test_nothing_is_written_in_the_place_of_what_is_read(cli: Cli, file: Path, data: Path, tmp_path: Path) -> None:
    folder = next(data.rglob("*.png")).parent
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    done = cli("evaluate", file, data, "--draw", folder)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith(f"--draw {folder} is the folder of {folder}/")
    table = tmp_path / "boxes.csv"
    table.write_text(f"path,label,xmin,ymin,xmax,ymax\n{folder.name}/a.png,red,0,0,8,8\n")
    done = cli("evaluate", file, table, "--confusion", table)
    assert done.error == f"--confusion {table} is a file that is read and would be overwritten; give another one"
    assert table.read_text().startswith("path,label")
    assert {path: path.read_bytes() for path in before} == before


def test_against_another_file(cli: Cli, file: Path, data: Path, tmp_path: Path) -> None:
    other = detectors.four_outputs(tmp_path / "four.tflite")
    done = cli("evaluate", file, data, "--against", other, "--json")
    assert done.code == 0
    found = json.loads(done.out)["against"]
    assert found["file"] == str(other)
    assert found["comparison"]["pictures"] == 4
    assert found["comparison"]["difference"] == pytest.approx(0)
    assert "mAP differs by +0.00 points on 4 pictures." in cli("evaluate", file, data, "--against", other).out


def test_classes_that_one_side_does_not_know_do_not_count_and_are_said(cli: Cli, file: Path, tmp_path: Path) -> None:
    """The data label no blue ones, and trees, which the file does not know."""
    scenes = {
        "a": ([(0, 0, "red"), (3, 3, "blue")], [(0, 0, "red"), (2, 2, "tree")]),
        "b": ([(1, 1, "green")], [(1, 1, "green"), (2, 2, "tree")]),
    }
    detectors.write_scenes(tmp_path / "data", scenes, ("red", "green", "tree"))
    done = cli("evaluate", file, tmp_path / "data", "--json")
    assert done.code == 0
    notes = done.err.splitlines()
    assert f"note: 1 class of the data is unknown to {file}; its 2 objects are left out: tree" in notes
    assert f"note: {file} knows 1 more class, which does not count here: blue" in notes
    found = json.loads(done.out)
    assert (found["judged_classes"], found["unknown_classes"]) == (["red", "green"], {"tree": 2})
    assert (found["objects"], found["threshold"]["precision"], found["threshold"]["recall"]) == (2, 1, 1)


def test_two_files_are_compared_by_the_classes_that_both_know(cli: Cli, file: Path, data: Path, tmp_path: Path) -> None:
    net = detectors.Net()
    net.graph.outputs = list(detectors.heads(net))
    other = net.write(tmp_path / "other.tflite", detectors.metadata(), ["red", "lime", "blue"])
    done = cli("evaluate", file, data, "--against", other, "--json")
    assert done.code == 0
    assert f"note: 1 class of the data is unknown to {file} or to {other}; its 2 objects are left out: green" in (
        done.err.splitlines()
    )
    found = json.loads(done.out)
    assert (found["judged_classes"], found["objects"], found["against"]["objects"]) == (["red", "blue"], 5, 5)
    assert found["map"] == pytest.approx(found["against"]["map"])


def test_data_without_a_class_of_the_file_are_refused(cli: Cli, file: Path, tmp_path: Path) -> None:
    data = detectors.write_scenes(tmp_path / "data", {"a": ([], [(0, 0, "Red")])}, ("Red", "tree"))
    done = cli("evaluate", file, data)
    assert (done.code, done.out) == (1, "")
    assert done.error == (
        f"none of the classes of {data} (Red, tree) is known to {file} (red, green, blue); give --labels with the "
        "names of the data, in the file's order ('Red' and 'red' differ only by case or blanks: give them one name)"
    )
    (tmp_path / "labels.txt").write_text("Red\ntree\nblue\n")
    assert cli("evaluate", file, data, "--labels", tmp_path / "labels.txt").code == 0


def test_labels_that_are_off_by_one_are_refused_or_show_in_the_confusion(
    cli: Cli, file: Path, data: Path, tmp_path: Path
) -> None:
    """Four names for three classes do not fit; a first one of the background is no class."""
    (tmp_path / "labels.txt").write_text("none\nred\ngreen\nblue\n")
    assert (
        "has 3 classes but there are 4 labels" in cli("evaluate", file, data, "--labels", tmp_path / "labels.txt").error
    )
    (tmp_path / "labels.txt").write_text("???\nred\ngreen\nblue\n")
    found = json.loads(cli("evaluate", file, data, "--labels", tmp_path / "labels.txt", "--json").out)
    assert found["threshold"]["recall"] == pytest.approx(5 / 7)
    (tmp_path / "labels.txt").write_text("green\nblue\nred\n")
    found = json.loads(cli("evaluate", file, data, "--labels", tmp_path / "labels.txt", "--json").out)
    assert found["map"] < 0.2
    assert found["confusion"]["counts"][0][1] > 0 or found["confusion"]["counts"][0][0] == 0


def test_pictures_that_cannot_be_used_are_named_and_the_others_judged(cli: Cli, file: Path, data: Path) -> None:
    (data / "a.png").write_bytes(b"no picture")
    Image.new("RGB", (64, 200)).save(data / "c.png")
    done = cli("evaluate", file, data, "--json")
    assert done.code == 1
    assert "a.png is not a picture" in done.err
    assert "c.png has 64x200 pixels, but its annotation is of a picture of 128x128" in done.err
    found = json.loads(done.out)
    assert (found["count"], len(found["unreadable"])) == (2, 2)
    for name in ("b", "d"):
        (data / f"{name}.png").write_bytes(b"no picture")
    assert cli("evaluate", file, data).error.startswith("none of the 4 pictures can be used; the first: ")


def test_the_held_out_part_is_judged(cli: Cli, file: Path, tmp_path: Path) -> None:
    for split, names in (("train", "ab"), ("valid", "cd")):
        detectors.write_scenes(tmp_path / "data" / split, {name: SCENES[name] for name in names})
    assert json.loads(cli("evaluate", file, tmp_path / "data", "--json").out)["count"] == 2


def test_pictures_that_it_was_trained_on_are_left_out(cli: Cli, data: Path, tmp_path: Path) -> None:
    """The run's folder remembers by content, whatever the task."""
    from zoo.inputs import seen
    from zoo.tflite.writing.metadata import append_files

    run = tmp_path / "run"
    run.mkdir()
    net = detectors.Net()
    net.graph.outputs = list(detectors.heads(net))
    made = net.write(run / "m.tflite", detectors.metadata())
    append_files(
        made,
        {"labels.txt": "red\ngreen\nblue", "card.json": json.dumps({"task": "detection", "weights_from": "trained"})},
    )
    pictures = sorted(data.glob("*.png"))
    seen.write(run, [(seen._hash(path), "train" if path.stem in "ab" else "validation") for path in pictures])
    done = cli("evaluate", made, data)
    assert done.out.startswith(
        "2 of these 4 pictures were trained on and are left out (--all judges them, too); 2 were held out"
    )
    found = json.loads(cli("evaluate", made, data, "--all", "--json").out)
    assert (found["count"], found["training_pictures"]) == (4, 2)


@pytest.fixture
def digits_file() -> Path:
    return next(Path(zoo.assets.__file__).parent.glob("demo/digits_int8.tflite"))


def test_data_of_the_other_task_are_refused_in_one_line(
    cli: Cli, file: Path, data: Path, digits_file: Path, tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        shutil.copy(data / "a.png", tmp_path / "classes" / name)
    done = cli("evaluate", file, tmp_path / "classes")
    assert (done.code, done.out) == (1, "")
    assert done.error == (
        f"{file} is a detector, and {tmp_path / 'classes'} holds no labelled boxes, which say where objects are; give "
        "COCO JSON, Pascal VOC XML, YOLO text files or CSV, as zoo data check reads them"
    )
    done = cli("evaluate", digits_file, data)
    assert (done.code, done.out) == (1, "")
    assert done.error == (
        f"{digits_file} is a classifier, and {data} holds labelled boxes; give a folder of pictures for each class, "
        "as in data/cat/1.jpg"
    )
    assert "no data folder" in cli("evaluate", file, tmp_path / "nowhere").error
    assert "no data folder" in cli("evaluate", digits_file, tmp_path / "nowhere").error


def test_a_table_of_path_and_label_does_not_judge_a_detector(cli: Cli, file: Path, data: Path) -> None:
    (data / "names.csv").write_text("path,label\na.png,red\n")
    assert "is no CSV file of path,label,xmin,ymin,xmax,ymax" in cli("evaluate", file, data / "names.csv").error


def test_options_of_detectors_are_refused_for_a_classifier(cli: Cli, digits_file: Path, data: Path) -> None:
    done = cli("evaluate", digits_file, data, "--threshold", "0.3", "--draw", data / "worst")
    assert done.error == f"{digits_file} is a classifier and finds no objects; leave --threshold and --draw out"
    assert cli("evaluate", digits_file, data, "--threshold", "1.5").code == 2


def test_a_folder_that_cannot_be_written_is_said_before_the_evaluation(cli: Cli, file: Path, data: Path) -> None:
    done = cli("evaluate", file, data, "--draw", data / "a.png")
    assert done.code != 0
    assert done.out == ""
    (data / "taken").write_text("")
    assert "a file stands where a folder should be" in cli("evaluate", file, data, "--draw", data / "taken" / "x").error


CODE = "import sys; from zoo.cli.main import main; main(sys.argv[1:])"


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["base_python", "tflite_runtime_python"])
def test_on_a_board(
    request: pytest.FixtureRequest, environment: str, elsewhere: Elsewhere, file: Path, data: Path, tmp_path: Path
) -> None:
    python: Path = request.getfixturevalue(environment)
    out = elsewhere(python, CODE, "evaluate", file, data, "--json", "--draw", tmp_path / "worst")
    assert json.loads(out)["threshold"]["recall"] == pytest.approx(5 / 7)
    assert len(list((tmp_path / "worst").iterdir())) == 3
