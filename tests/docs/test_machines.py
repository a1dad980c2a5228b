"""docs/machines.md: the machines train together, and the programs of the data service read all that was packed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage

PAGE = "docs/machines.md"


@pytest.mark.slow
def test_every_machine_gives_its_pictures_to_the_training(run_page: RunPage) -> None:
    page = run_page(PAGE)
    parts = [page.said(f"(cd {part} && python ../pack.py") for part in ("one", "two")]
    packed = [int(re.search(r"train: (\d+) pictures", said)[1]) for said in parts]  # type: ignore[index]
    assert min(packed) > 0
    assert f"train, on all machines: {sum(packed)} pictures" in page.said("(\n  port=")
    assert (page.folder / "learnt_int8.tflite").exists()
