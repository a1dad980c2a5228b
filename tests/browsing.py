"""A real browser, for the tests of pages."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests import packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with a camera that shows a moving test picture."""
    for name in ("chromium", "fonts"):
        packages.require(name)
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("EDGEZOO_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    sync_api = pytest.importorskip("playwright.sync_api")
    options = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # which root cannot have
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens an address in a fresh window; it may not log an error, nor ask another server."""
    with contextlib.ExitStack() as stack:
        logs: list[tuple[list[str], set[str]]] = []

        def start(url: str, *, width: int = 1280, height: int = 860, **options: Any) -> Page:
            context = browser.new_context(viewport={"width": width, "height": height}, **options)
            stack.callback(context.close)
            page = context.new_page()
            errors: list[str] = []
            asked: set[str] = set()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
            page.on("request", lambda request: asked.add(request.url.partition("#")[0]))
            page.goto(url)
            logs.append((errors, asked))
            return page

        yield start
        for errors, asked in logs:
            # What the API refuses is logged by the browser on its own.
            assert [line for line in errors if not line.startswith("Failed to load resource")] == []
            own = ("http://127.0.0.1:", "blob:http://127.0.0.1:", "file:", "blob:null/")
            assert {url for url in asked if not url.startswith(own)} == set()
