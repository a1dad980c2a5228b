"""The page in one file, in Firefox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import firefox
from tests.web.test_page import PICTURES, SPY
from zoo.runner import Classifier, demo


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[firefox.Firefox]:
    """A window of Firefox."""
    with firefox.started(tmp_path_factory.mktemp("firefox")) as page:
        yield page


@pytest.mark.slow
def test_ten_digits_get_pythons_scores_to_the_bit(digits_page: Path, page: firefox.Firefox) -> None:
    classifier = Classifier(demo.folder() / demo.DIGITS)
    page.open(digits_page.as_uri())
    page.wait("return document.querySelector('#facts').textContent.includes('in this browser')")
    page.evaluate(
        f"{SPY} const top = document.querySelector('#top-k'); top.value = '10'; "
        "top.dispatchEvent(new Event('change', {bubbles: true}));"
    )
    assert len(PICTURES) == 10
    for picture in PICTURES:
        page.evaluate("window.told = []")
        page.choose("#files", picture)
        page.wait("return ![...document.querySelectorAll('#strip span')].some((one) => one.textContent.includes('…'))")
        expected = classifier.classify(picture, top_k=10)
        found = page.evaluate("return [...document.querySelectorAll('#bars .label')].map((one) => one.textContent)")
        assert found == [one.label for one in expected]
        assert page.evaluate("return window.told")[:10] == [one.score * 100 for one in expected]
    # Nothing but the file itself, and what it holds.
    loaded = page.evaluate("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in loaded if not name.startswith(("blob:", "data:"))] == []
