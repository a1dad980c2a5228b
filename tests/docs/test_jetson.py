"""docs/jetson.md: what its commands print, and what they have in common with README and Makefile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import PAGES

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage

PAGE = "docs/jetson.md"


@pytest.fixture(scope="module")
def printed(run_page: RunPage) -> dict[str, str]:
    return run_page(PAGE).printed


@pytest.mark.slow
def test_what_the_image_is_told(printed: dict[str, str]) -> None:
    told = {words: text for words, text in printed.items() if words.startswith("docker run ")}
    assert len(told) >= 8
    for command, text in told.items():
        if " --camera " in command or " serve " in command:
            continue
        words = command.partition("edgezoo-jetson ")[2]
        if words.startswith("run "):
            assert re.search(r"%  red$", text.splitlines()[1]), command
        elif words.startswith("evaluate "):
            right = re.search(r"top-1 ([\d.]+)%", text)
            assert right
            assert float(right[1]) > 90
        elif words == "demo":
            assert "10 of 10 right" in text
        else:
            assert "litert" in text, command


def test_the_readme_says_the_same() -> None:
    readme, page = (PAGES[name].read_text(encoding="utf-8") for name in ("README.md", PAGE))
    build = "docker buildx build --platform linux/arm64 -f Dockerfile.jetson -t edgezoo-jetson"
    assert f"\n{build} .\n" in readme
    assert f"\n{build} --load .\n" in page
    given = set(re.findall(r"--build-arg (\w+)=", page))
    assert given == {"RUNTIME", "WITH", "BASE_IMAGE"}
