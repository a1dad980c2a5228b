"""What tests of the page wait for and read."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api")

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT = 30_000
"""Milliseconds, for what takes a moment."""

OpenPage = Callable[..., "Page"]


def labels(page: Page) -> list[str]:
    return page.locator("#bars .label").all_text_contents()


def wait_for_answer(page: Page) -> None:
    sync_api.expect(page.locator("#total")).to_have_text(re.compile("ms$"), timeout=WAIT)


def wait_for_all(page: Page) -> None:
    sync_api.expect(page.locator("#strip span", has_text="…")).to_have_count(0, timeout=WAIT)


def wait_for_model(page: Page) -> None:
    sync_api.expect(page.locator("#facts")).to_have_text(re.compile("classes"), timeout=WAIT)


def wait_for_frames(page: Page) -> None:
    # A rate is shown from the second frame on.
    sync_api.expect(page.locator("#fps")).to_have_text(re.compile(r"^[\d.]+ fps$"), timeout=WAIT)


def wait_until(page: Page, true: Callable[[], bool]) -> None:
    """Lets the page go on until something holds, however slow the machine is."""
    for _ in range(WAIT // 100):
        if true():
            return
        page.wait_for_timeout(100)
    pytest.fail("it never came to that")


def take(page: Page, path: Path) -> None:
    """Writes a picture of the page."""
    with Image.open(io.BytesIO(page.screenshot())) as image:
        # 256 colours: a third of the size.
        image.convert("RGB").quantize(256).save(path, optimize=True)
