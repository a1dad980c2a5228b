"""The list of files that were made or tried on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.full import files_in, full_disk
from zoo.runner.loading import known


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the list, with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "edgezoo"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"a model")
    return path


def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that the list is on another disk than the files."""
    read = known._read
    monkeypatch.setattr(known, "_read", lambda: (-1, read()[1]))


def test_a_file_that_was_tried_is_known_for_what_it_was_tried_with(file: Path) -> None:
    assert not known.holds(file, "litert")
    known.remember_tried(file, known.identity(file), "litert")
    known.remember_tried(file, known.identity(file), "tflite-runtime", "edgetpu")
    assert known.holds(file, "litert")
    assert known.holds(file, "tflite-runtime", "edgetpu")
    assert not known.holds(file, "tflite-runtime")
    assert not known.holds(file, "litert", "edgetpu")


def test_a_file_that_was_made_here_is_known_for_everything(file: Path) -> None:
    known.remember_made(file)
    assert known.holds(file, "litert")
    assert known.holds(file, "tflite-runtime", "edgetpu")


def test_another_file_of_the_same_name_size_and_time_is_not(file: Path, tmp_path: Path) -> None:
    known.remember_made(file)
    status = file.stat()
    (tmp_path / "evil").write_bytes(b"evil123")
    os.utime(tmp_path / "evil", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "evil").replace(file)
    assert not known.holds(file, "litert")


def test_a_file_that_was_changed_is_not(file: Path) -> None:
    known.remember_made(file)
    status = file.stat()
    file.write_bytes(b"evil123")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not known.holds(file, "litert")


def test_a_file_that_changes_during_its_trial_is_not(file: Path) -> None:
    before = known.identity(file)
    file.write_bytes(b"evil123")
    known.remember_tried(file, before, "litert")
    assert not known.holds(file, "litert")


def test_on_another_disk_its_content_has_to_be_the_same(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A USB stick comes back with the same inodes and times, but other bytes."""
    known.remember_made(file)
    (entry,) = json.loads((cache / known.LIST).read_text())["files"].values()
    assert entry["sha256"] is None
    other_disk(monkeypatch)
    assert not known.holds(file, "litert")  # its SHA-256 was not recorded
    device = file.stat().st_dev

    def as_of_a_stick(status: os.stat_result) -> str:
        return f"{device} 1 {status.st_size} 2 2"

    monkeypatch.setattr(known, "_identity", as_of_a_stick)
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    stat = Path.stat

    def elsewhere(path: Path, **options: bool) -> os.stat_result:
        found = stat(path, **options)
        return os.stat_result((*found[:2], -1, *found[3:])) if path == cache else found

    monkeypatch.setattr(Path, "stat", elsewhere)
    known.remember_made(file)
    assert known.holds(file, "litert")
    file.write_bytes(b"evil123")
    assert not known.holds(file, "litert")


def test_the_list_is_private_and_bounded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 3)
    files = [tmp_path / f"{i}.tflite" for i in range(5)]
    for path in files:
        path.write_bytes(b"x")
        known.remember_made(path)
    assert [known.holds(path, "litert") for path in files] == [False, False, True, True, True]
    assert (cache / known.LIST).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"files": []}', '{"files": {"x": 1}}', "[" * 100_000, "\0", '{"files": null}']
)
def test_a_damaged_list_is_ignored(content: str, file: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / known.LIST).write_text(content)
    (cache / known.LIST).chmod(0o600)
    assert not known.holds(file, "litert")
    known.remember_made(file)
    assert known.holds(file, "litert")


@pytest.mark.parametrize(
    "entry", [None, {}, {"for": None}, {"for": "made here"}, {"for": {"made here": 1}}, {"for": [[]]}]
)
def test_a_damaged_entry_is_ignored(entry: object, file: Path, cache: Path) -> None:
    known.remember_made(file)
    files = json.loads((cache / known.LIST).read_text())["files"]
    (cache / known.LIST).write_text(json.dumps({"files": dict.fromkeys(files, entry)}))
    assert not known.holds(file, "litert")


def test_a_list_that_others_may_have_written_is_ignored(
    file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.remember_made(file)
    path = cache / known.LIST
    with monkeypatch.context() as patched:
        patched.setattr("os.geteuid", lambda: 12345)
        assert not known.holds(file, "litert")
    path.chmod(0o622)
    assert not known.holds(file, "litert")
    path.chmod(0o600)
    assert known.holds(file, "litert")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert not known.holds(file, "litert")


def test_where_nothing_can_be_written_nothing_is_said(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.mkdir()
    cache.write_text("a file in the way")
    known.remember_made(file)
    assert not known.holds(file, "litert")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(known, "cache_home", homeless)
    known.remember_made(file)
    assert not known.holds(file, "litert")


def test_a_full_disk_keeps_the_list_and_leaves_nothing_else(file: Path, cache: Path, tmp_path: Path) -> None:
    known.remember_made(file)
    second = tmp_path / "second.tflite"
    second.write_bytes(b"another")
    for others in ([known.LIST], []):
        with full_disk():
            known.remember_made(second)
        assert not known.holds(second, "litert")
        assert known.holds(file, "litert") == bool(others)
        assert files_in(cache) == others
        (cache / known.LIST).unlink(missing_ok=True)
    known.remember_made(second)
    assert known.holds(second, "litert")


WRITER = """
import sys
from pathlib import Path
from zoo.runner.loading import known
known.SETTLED = 0
known.LOCK_SECONDS = 600  # a busy machine would otherwise have one give up, which is allowed and not meant here
for name in sys.argv[1:]:
    known.remember_made(Path(name))
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path, cache: Path) -> None:
    files = [tmp_path / f"{i}.tflite" for i in range(60)]
    for path in files:
        path.write_bytes(b"x")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, *map(str, part)])
        for part in (files[:20], files[20:40], files[40:])
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert all(known.holds(path, "litert") for path in files)
    assert files_in(cache) == [known.LIST]


def test_what_is_in_the_package_is_known_and_its_copy_is_not(tmp_path: Path) -> None:
    import zoo.runner.demo

    path = zoo.runner.demo.folder() / "digits_int8.tflite"
    assert known.holds(path, "litert")
    shutil.copy2(path, tmp_path / path.name)
    assert not known.holds(tmp_path / path.name, "litert")


def test_the_cache_is_its_users_alone_and_five_hundred_files_are_kept(file: Path, cache: Path) -> None:
    known.remember_made(file)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert (cache / known.LIST).stat().st_mode & 0o777 == 0o600
    files = {f"1 {number} 3 4 5": {"for": ["litert"], "sha256": None} for number in range(600)}
    known._write(cache / known.LIST, files)
    known.remember_tried(file, known.identity(file), "litert")
    kept = json.loads((cache / known.LIST).read_text())["files"]
    assert len(kept) == known.MOST == 500
    assert next(iter(kept)) == "1 101 3 4 5"


def test_a_file_is_known_for_its_last_twenty_uses(file: Path, cache: Path) -> None:
    for number in range(22):
        known.remember_tried(file, known.identity(file), f"runtime {number}")
    known.remember_tried(file, known.identity(file), "runtime 21")
    (entry,) = json.loads((cache / known.LIST).read_text())["files"].values()
    assert entry["for"] == [f"runtime {number}" for number in range(2, 22)]


def test_the_last_twenty_uses_of_a_file_are_remembered(file: Path) -> None:
    before = known.identity(file)
    for number in range(21):
        known.remember_tried(file, before, f"runtime {number}")
    assert [known.holds(file, f"runtime {number}") for number in (0, 1, 20)] == [False, True, True]
