"""docs/detection-data.md: runs in an empty folder, since it makes its own data, and prints what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import of_language

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage

PAGE = "docs/detection-data.md"


@pytest.mark.slow
def test_the_page_prints_what_it_shows(run_page: RunPage) -> None:
    runner = run_page(PAGE, empty=True)
    said = [line.rstrip() for line in runner.said("zoo data check street").splitlines()]
    shown = of_language(PAGE, "text")[0].splitlines()
    assert [line for line in shown if line.strip()] == [line for line in said if line.strip()][: len(shown) - 1]
    assert "odd entries" not in "\n".join(said)
    assert "(240, 320, 3)" in runner.said("pixels =")
