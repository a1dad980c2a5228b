"""The runtime of `zoo web`, and pages that were written with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import npm
from zoo.runner import Predictor, demo
from zoo.web import write
from zoo.web.runtime import PACKAGE

MISSING = "the npm package @litertjs/core cannot be had"

WritePage = Callable[..., Path]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed npm package of LiteRT.js."""
    return npm.packed(PACKAGE.wanted, tmp_path_factory.mktemp("litertjs"), MISSING)


@pytest.fixture(scope="session")
def write_page(package: Path, tmp_path_factory: pytest.TempPathFactory) -> WritePage:
    """A function that writes the page of a file, or its site, and returns where it is."""

    def make(file: Path, name: str = "page.html") -> Path:
        place = tmp_path_factory.mktemp("page") / name
        write(Predictor(file), place, runtime=package)
        return place

    return make


@pytest.fixture(scope="session")
def digits_page(write_page: WritePage) -> Path:
    """The page of the digits of `zoo demo`."""
    return write_page(demo.folder() / demo.DIGITS)
