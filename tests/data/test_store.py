from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.full import files_in, full_disk
from zoo.data import store
from zoo.data.store import choose_place
from zoo.errors import OptionError, OutputError


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that there are 1 GB of memory and 10 GB of disk."""
    monkeypatch.setattr(store, "available", lambda: 10**9)
    monkeypatch.setattr(store, "_free", lambda _: 10**10)


@pytest.mark.parametrize(
    ("size", "kind", "why"),
    [
        (5 * 10**8, "memory", "1.0 GB are available"),
        (5 * 10**8 + 1, "disk", "more than half of the 1.0 GB of available memory"),
        (9 * 10**9, "disk", "more than half"),
        (9 * 10**9 + 1, "none", "10.0 GB free: every epoch decodes again"),
    ],
)
def test_the_place_follows_the_size(tmp_path: Path, size: int, kind: str, why: str) -> None:
    place = choose_place(size, folder=tmp_path)
    assert (place.kind, place.size) == (kind, size)
    assert why in place.why
    assert place.folder == (tmp_path if kind == "disk" else None)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_the_place_asked_for(tmp_path: Path, cache: store.Cache) -> None:
    place = choose_place(10**12 if cache != "disk" else 10, cache, tmp_path)
    assert place.kind == cache
    assert place.why.startswith("as asked for")


def test_the_disk_keeps_and_leaves_nothing_behind(tmp_path: Path) -> None:
    place = choose_place(4 * 6 * 4, "disk", tmp_path / "deep" / "cache")
    array = place.allocate((4, 6), np.float32)
    assert array is not None
    assert (array.shape, array.dtype.name) == ((4, 6), "float32")
    array[:] = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(array[[3, 0]], [[18, 19, 20, 21, 22, 23], [0, 1, 2, 3, 4, 5]])
    assert list((tmp_path / "deep" / "cache").iterdir()) == []


def test_memory_and_nowhere() -> None:
    memory = choose_place(24, "memory").allocate((4, 6), np.uint8)
    assert memory is not None
    assert memory.shape == (4, 6)
    assert choose_place(24, "none").allocate((4, 6), np.uint8) is None


def test_a_full_disk_is_found_out_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=f"cannot keep pixels in {tmp_path}: No space left on device"):
        choose_place(24, "disk", tmp_path).allocate((4, 6), np.uint8)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file stands where a folder should be"):
        choose_place(24, "disk", tmp_path / "file" / "cache")


def test_a_word_that_is_no_place() -> None:
    with pytest.raises(OptionError, match="cache='ram' is not one of auto, memory, disk, none"):
        choose_place(24, "ram")  # type: ignore[arg-type]


def test_a_full_disk_keeps_nothing_of_the_examples(tmp_path: Path) -> None:
    place = store.Place("disk", 4000, "as asked for", tmp_path / "kept")
    with pytest.raises(OutputError, match="cannot keep pixels in .*kept: File too large"), full_disk(1000):
        place.allocate((1000,), np.float32)
    assert files_in(tmp_path) == []


def test_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert store._free(tmp_path / "not" / "there") > 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose_place(24, "disk").folder == tmp_path / "edgezoo"
