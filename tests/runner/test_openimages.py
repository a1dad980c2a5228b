"""A detector that others made and trained, on real photos: the SSD of MediaPipe's npm package, which npm fetches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.openimages import LABELS, pictures
from zoo.errors import ModelFileError
from zoo.runner import Classifier, Detector

if TYPE_CHECKING:
    from tests.conftest import Cli

PHOTOS = {"chelsea": "Cat", "astronaut": "Person", "coffee": "Coffee cup"}


@pytest.fixture(scope="session")
def openimages(openimages_asset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The detector of Open Images and its label map."""
    content, folder = openimages_asset.read_bytes(), tmp_path_factory.mktemp("openimages")
    file, labels = folder / "openimages.tflite", folder / "labels.txt"
    file.write_bytes(content[LABELS:])
    labels.write_bytes(content[:LABELS])
    return file, labels


@pytest.fixture(scope="session", name="pictures")
def folder_of_pictures() -> Path:
    return pictures()


def test_a_cat_a_person_and_a_cup_are_found_on_photos(openimages: tuple[Path, Path], pictures: Path) -> None:
    file, labels = openimages
    detector = Detector(file, labels=labels.read_text().splitlines())
    assert len(detector.labels) == 23
    # Its name says that the input takes -1..1, so that nothing has to be guessed; of the anchors it says nothing.
    assert detector.notes == (
        f"{file} does not hold its anchors; those of the SSD paper, which fit in number, are taken",
    )
    found = {name: detector.detect(pictures / f"{name}.png", threshold=0.4) for name in PHOTOS}
    assert {name: one[0].label for name, one in found.items()} == PHOTOS
    scores = {name: one[0].score for name, one in found.items()}
    assert scores == pytest.approx({"chelsea": 0.85, "astronaut": 0.59, "coffee": 0.56}, abs=0.01)
    # The cat's face fills the photo of 451x300 pixels; the cup stands to the right of its middle.
    cat, cup = found["chelsea"][0].box, found["coffee"][0].box
    assert cat.width * cat.height > 0.85 * 451 * 300
    assert (cup.left + cup.right) / 2 == pytest.approx(295, abs=15)


def test_the_command_finds_the_task_in_the_file(
    cli: Cli, openimages: tuple[Path, Path], pictures: Path, tmp_path: Path
) -> None:
    file, labels = openimages
    done = cli("run", file, pictures / "chelsea.png", "--labels", labels, "--json", "--draw", tmp_path / "cat.png")
    assert done.code == 0
    (found,) = json.loads(done.out)["predictions"]
    assert found["label"] == "Cat"
    assert (tmp_path / "cat.png").stat().st_size > 1000


def test_it_is_judged_by_the_classes_that_the_labels_have_in_common_with_it(
    cli: Cli, openimages: tuple[Path, Path], pictures: Path, tmp_path: Path
) -> None:
    file, labels = openimages
    boxes = {"chelsea": ("Cat", 20, 0, 451, 300), "coffee": ("Coffee cup", 150, 10, 460, 380)}
    rows = [f"{name}.png,{','.join(map(str, box))}" for name, box in boxes.items()]
    for name in boxes:
        shutil.copy(pictures / f"{name}.png", tmp_path)
    header = "path,label,xmin,ymin,xmax,ymax"
    (tmp_path / "boxes.csv").write_text("\n".join([header, *rows, "coffee.png,Spoon,350,230,540,330"]) + "\n")
    done = cli("evaluate", file, tmp_path, "--labels", labels, "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["judged_classes"], found["unknown_classes"]) == (["Cat", "Coffee cup"], {"Spoon": 1})
    assert (found["ap50"], found["threshold"]["recall"]) == (pytest.approx(1), 1)
    assert f"{file} knows 21 more classes, which do not count here: Bicycle, Boot" in done.err


def test_it_is_no_classifier(openimages: tuple[Path, Path]) -> None:
    with pytest.raises(ModelFileError, match="no classifier"):
        Classifier(openimages[0])
