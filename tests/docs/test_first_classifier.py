"""docs/first-classifier.md: its cells as one notebook, then its shell lines in the folder that they made."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, read

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage
    from tests.docs.runner import Runner

PAGE = "docs/first-classifier.md"
NUMBER = re.compile(r"[+-]?\d[\d,.]*")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(run_page: RunPage) -> Runner:
    return run_page(PAGE, empty=True)


@pytest.fixture(scope="module")
def cells(ran: Runner) -> list[tuple[str, str]]:
    """What each cell prints according to the page, in the block behind it, and what it printed."""
    return [
        (after.text if after.language == "text" else "", ran.printed[cell.text])
        for cell, after in itertools.pairwise(read(PAGE))
        if cell.language == "python"
    ]


def test_the_data_and_the_model_are_as_printed(cells: list[tuple[str, str]]) -> None:
    for said, printed in cells[:3]:
        assert printed == said


def test_every_cell_prints_lines_of_the_kind_that_the_page_shows(cells: list[tuple[str, str]]) -> None:
    assert len(cells) == 8
    for said, printed in cells:
        assert said
        assert NUMBER.sub("#", printed) == NUMBER.sub("#", said)


def test_it_learns_as_well_as_the_page_says(cells: list[tuple[str, str]]) -> None:
    said, printed = cells[3]
    assert _shares(printed)[0] == pytest.approx(_shares(said)[0], abs=1.5)
    best = max(held_out for line in printed.splitlines()[1:] for held_out in _shares(line)[1:])
    assert _shares(printed)[0] == pytest.approx(best, abs=0.05)
    # The weakest of ten classes is weaker than all together.
    assert _shares(cells[4][1])[0] < _shares(printed)[0]


def test_its_files_are_as_good_and_a_quarter_of_the_size(cells: list[tuple[str, str]]) -> None:
    rows = [line.split() for line in cells[5][1].splitlines()]
    assert [name for name, *_ in rows] == ["model.keras", "lenet.tflite", "lenet_int8.tflite"]
    kilobytes = [int(size) for _, size, *_ in rows]
    assert kilobytes[2] < 0.3 * kilobytes[1]
    accuracies = [_shares(row[-1])[0] for row in rows]
    assert max(accuracies) - min(accuracies) <= 0.6
    compared = cells[6][1]
    assert _shares(compared)[0] > 99
    difference, _, low, high = _shares(compared.splitlines()[-1])
    assert low <= 0 <= high
    assert difference == pytest.approx(accuracies[2] - accuracies[1], abs=0.11)


def test_the_seven_is_named(cells: list[tuple[str, str]]) -> None:
    assert cells[7][1].startswith("7  ")
    assert _shares(cells[7][1])[0] > 90


def test_the_figures_are_those_of_the_run(ran: Runner) -> None:
    from PIL import Image

    for name in ("curves", "mistakes"):
        shown, made = ROOT / "docs" / f"first-classifier-{name}.png", ran.folder / "run" / f"{name}.png"
        with Image.open(shown) as first, Image.open(made) as second:
            assert first.width == second.width
    assert sum(figure.stat().st_size for figure in (ROOT / "docs").glob("first-classifier-*.png")) < 300_000


def test_the_same_in_the_shell(cells: list[tuple[str, str]], ran: Runner) -> None:
    assert "validation, by content, seed 0" in ran.said("zoo data check")
    # The same seed, so the same training but for rounding.
    found = re.search(r"accuracy ([\d.]+)% on 1000 files of the validation split", ran.said("zoo train"))
    assert found
    assert float(found[1]) == pytest.approx(_shares(cells[3][1])[0], abs=0.5)
    assert "The same name for" in ran.said("zoo evaluate")
    assert re.search(r"^ +[\d.]+%  7$", ran.said("zoo run").splitlines()[1])


def _shares(text: str) -> list[float]:
    """All percentages in a text."""
    return [float(share) for share in re.findall(r"([+-]?[\d.]+)%", text)]
