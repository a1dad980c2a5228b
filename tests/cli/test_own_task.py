"""The commands with a file for a task that is none of the zoo's: what they print comes from the task alone."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.spotting import LABELS, Spot
from zoo.runner import Predictor

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = pytest.mark.usefixtures("spotting_known")


@pytest.fixture
def spots(spotter_file: Path, photos: tuple[Path, Path]) -> list[Spot]:
    """What the file says of both photos."""
    predictor: Predictor[Spot] = Predictor(spotter_file)
    return [predictor.predict(photo)[0] for photo in photos]


@pytest.fixture
def labelled(tmp_path: Path, spots: list[Spot], photos: tuple[Path, Path]) -> Path:
    """Four pictures in class folders, of which the file names three rightly."""
    for i, (spot, photo) in enumerate(zip([*spots, *spots], [*photos, *photos], strict=True)):
        label = LABELS[spot.index - 1] if i == 3 else spot.label
        (tmp_path / "labelled" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / "labelled" / label / f"{i}.jpg")
    return tmp_path / "labelled"


def test_places_are_in_pixels_of_the_photo(spots: list[Spot], photos: tuple[Path, Path], spotter_file: Path) -> None:
    predictor: Predictor[Spot] = Predictor(spotter_file)
    sample = predictor.read(photos[0])
    (inside,) = predictor.predict(sample.values)
    # Of 640x427 pixels, the model sees the square in the middle.
    across, down = ((at + 1) / 2 * 427 for at in inside.place)
    assert spots[0].place == pytest.approx((across + (640 - 427) / 2, down))


def test_run_prints_the_tasks_lines_columns_and_fields(
    cli: Cli, spotter_file: Path, photos: tuple[Path, Path], spots: list[Spot]
) -> None:
    lines = cli("run", spotter_file, *photos).out.splitlines()
    assert lines[1] == f"  {spots[0].label} at {spots[0].place[0]:.0f}, {spots[0].place[1]:.0f}"
    rows = list(csv.reader(io.StringIO(cli("run", spotter_file, *photos, "--csv").out)))
    assert rows[0] == ["file", "rank", "label", "index", "score", "x", "y"]
    assert rows[2][2:4] == [spots[1].label, str(spots[1].index)]
    documents = [json.loads(line) for line in cli("run", spotter_file, *photos, "--json").out.splitlines()]
    assert [one["predictions"][0]["place"] for one in documents] == [pytest.approx(one.place) for one in spots]


def test_evaluate_prints_the_tasks_figures(cli: Cli, spotter_file: Path, labelled: Path) -> None:
    done = cli("evaluate", spotter_file, labelled)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "75% of 4 spots"
    assert "Missed spots:" in done.out
    assert "3.jpg" in done.out
    assert "3.jpg" not in cli("evaluate", spotter_file, labelled, "--mistakes", "0").out
    found = json.loads(cli("evaluate", spotter_file, labelled, "--against", spotter_file, "--json").out)
    assert (found["spots"], found["score"]) == (4, 0.75)
    assert found["against"]["comparison"] == {"difference": 0}
    text = cli("evaluate", spotter_file, labelled, "--against", spotter_file).out
    assert text.splitlines()[-1] == "They differ by 0% of the spots."


def test_a_confusion_matrix_that_the_task_does_not_have(cli: Cli, spotter_file: Path, tmp_path: Path) -> None:
    done = cli("evaluate", spotter_file, tmp_path, "--confusion", tmp_path / "c.csv")
    assert done.code == 1
    assert done.error == f"{spotter_file} is for spotting, which has no confusion matrix; leave --confusion out"


def test_files_of_two_tasks_are_not_compared(cli: Cli, spotter_file: Path, lenet_file: Path, tmp_path: Path) -> None:
    done = cli("evaluate", spotter_file, tmp_path, "--against", lenet_file)
    assert done.code == 1
    expected = f"{spotter_file} is for spotting and {lenet_file} for classification; compare files of the same task"
    assert done.error == expected


@pytest.mark.slow
@pytest.mark.usefixtures("quick_benchmark")
def test_benchmark_measures_the_rate_of_pictures(cli: Cli, spotter_file: Path) -> None:
    found: dict[str, Any] = json.loads(cli("benchmark", spotter_file, "--runs", "2", "--json").out)
    assert found["measurements"][0]["from_jpeg"]["per_second"]["median"] > 0


def test_a_task_that_this_version_does_not_know(
    cli: Cli, spotter_file: Path, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.tasks import TASKS

    monkeypatch.delitem(TASKS, "spotting")
    done = cli("run", spotter_file, photos[0])
    assert done.code == 1
    assert (
        done.error
        == f"the card of {spotter_file} names the task 'spotting'; this version knows classification, detection"
    )
