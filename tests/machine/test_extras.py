"""What to do where an extra is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zoo.machine.extras import IMAGE, how_to_install

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile.jetson"


def test_on_a_machine_and_in_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IMAGE, raising=False)
    assert how_to_install("serve") == "pip install 'edgezoo[serve]'"
    monkeypatch.setenv(IMAGE, "jetson")
    assert how_to_install("serve") == "build the image with it: --build-arg WITH=serve"


def test_the_image_says_what_it_is() -> None:
    assert re.search(rf"^ENV (?:.+\\\n)*\s+{IMAGE}=jetson", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
