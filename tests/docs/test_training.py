"""docs/training.md: everything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage

PAGE = "docs/training.md"


@pytest.mark.slow
def test_everything_runs(run_page: RunPage) -> None:
    run_page(PAGE)
