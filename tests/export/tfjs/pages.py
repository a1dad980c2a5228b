"""Pages with libraries that load layers models, beside the files of some models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import npm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ADDRESS = "http://tfjs.test/"


def open_models(
    browser: Browser, factory: pytest.TempPathFactory, packages: Sequence[npm.Package], folder: Path
) -> Page:
    """Opens a page that has the scripts of packages, and asks for the files of a folder at `ADDRESS`."""
    scripts = {path.name: path for path in (npm.fetch(one, factory.mktemp("npm")) for one in packages)}
    tags = "".join(f"<script src={name}></script>" for name in scripts)
    page = browser.new_page()

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(ADDRESS)
        path = scripts.get(name, folder / name)
        if not name:
            route.fulfill(body=f"<!doctype html><meta charset=utf-8>{tags}", content_type="text/html")
        elif path.is_file():
            route.fulfill(path=path)
        else:
            route.fulfill(status=404)

    page.route("**", answer)
    page.goto(ADDRESS)
    return page
