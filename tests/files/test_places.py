from __future__ import annotations

from pathlib import Path

import pytest

from zoo.files import places
from zoo.files.places import cache_home
from zoo.weights.fetch import imagenet


def test_a_user_whom_the_system_does_not_know_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user may be a number without a home."""

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HOME")
    for name in ("XDG_CACHE_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_home() == Path("/nonexistent/.cache/edgezoo")
    assert imagenet.keras_home() == Path("/nonexistent/.keras")
    monkeypatch.setenv("HOME", "/data")
    assert cache_home() == Path("/data/.cache/edgezoo")


def test_paths_for_others_lose_the_folders_that_they_share() -> None:
    assert places.without_folders(["/a/b/c.png"]) == ["c.png"]
    assert places.without_folders(["/a/b/c.png", "/a/d/e.png", "f/g.png"]) == ["b/c.png", "d/e.png", "f/g.png"]
    assert places.base_name("/a/b/") == "b"
    assert places.base_name(r"C:\pictures\cat.png") == "cat.png"
