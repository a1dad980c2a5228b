from __future__ import annotations

import pytest

from zoo.progress import BYTES, SILENT, Lines, Progress, amount


@pytest.mark.parametrize(
    ("done", "total", "unit", "text"),
    [
        (0, 0, "", ""),
        (3, 0, "", "3"),
        (3, 7, "", "3/7"),
        (0, 7, "", "0/7"),
        (1_234_567, 0, BYTES, "1.23 MB"),
        (1_200_000, 4_000_000, BYTES, "1.20 of 4.00 MB"),
    ],
)
def test_how_much_of_a_step_is_done_in_words(done: int, total: int, unit: str, text: str) -> None:
    assert amount(done, total, unit) == text


def test_steps_become_lines() -> None:
    said: list[str] = []
    everyone: list[Progress] = [SILENT, Lines(said.append)]
    for progress in everyone:
        progress.step("loading")
        progress.step("reading pictures", 3, 7)
        progress.step("downloading weights", 1_200_000, 4_000_000, BYTES)
    assert said == ["loading", "reading pictures 3/7", "downloading weights 1.20 of 4.00 MB"]
