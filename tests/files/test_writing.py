from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.full import full_disk
from zoo.errors import OutputError
from zoo.files import writing
from zoo.files.writing import atomic, require_writable, temporary


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.bin"
    with atomic(path) as scratch:
        scratch.write_bytes(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert names(path.parent) == ["file.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"before")

    def write() -> None:
        with atomic(path) as scratch:
            scratch.write_bytes(b"half of")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["file.bin"]


def test_a_failure_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    def write() -> None:
        with atomic(tmp_path / "folder") as scratch:
            scratch.mkdir()
            (scratch / "part").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert names(tmp_path) == []


def write_folder(path: Path, content: str) -> None:
    with atomic(path) as scratch:
        scratch.mkdir()
        (scratch / "saved_model.pb").write_text(content)


def test_a_saved_model_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_folder(path, "old")
    (path / "variables").mkdir()
    write_folder(path, "new")
    assert names(path) == ["saved_model.pb"]
    assert (path / "saved_model.pb").read_text() == "new"
    assert names(tmp_path) == ["model"]


def test_an_empty_folder_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_folder(tmp_path / "model", "new")
    assert names(tmp_path / "model") == ["saved_model.pb"]


def test_a_folder_of_other_things_is_kept(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="home is a folder that holds other things; move it away"):
        write_folder(tmp_path / "home", "new")
    assert names(tmp_path / "home") == ["thesis.txt"]
    assert names(tmp_path) == ["home"]


def test_a_file_never_replaces_a_folder(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="there is a folder; choose another name"), atomic(tmp_path / "there") as new:
        new.write_text("x")
    assert (tmp_path / "there").is_dir()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "out.bin", tmp_path / "file" / "folder" / "out.bin"):
        message = f"cannot write {path}: a file stands where a folder should be"
        with pytest.raises(OutputError, match=message), atomic(path):
            pytest.fail("not reached")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write .*: No space left on device"),
        atomic(tmp_path / "out.bin"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert names(tmp_path) == []


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is put on the disk and what takes its place, in order, by name."""
    told: list[str] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def spy(descriptor: int) -> None:
        told.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def moved(move: Any) -> Any:
        def go(self: Path, to: Path) -> Path:
            told.append(f"move {self.name} to {to.name}")
            found: Path = move(self, to)
            return found

        return go

    monkeypatch.setattr(os, "fsync", spy)
    monkeypatch.setattr(Path, "replace", moved(replace))
    monkeypatch.setattr(Path, "rename", moved(rename))
    return told


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, events: list[str]) -> None:
    """After a power cut the name would otherwise stand for an empty file."""
    with atomic(tmp_path / "m.bin") as scratch:
        scratch.write_bytes(b"whole")
    assert events == ["sync m.bin", "move m.bin to m.bin", f"sync {tmp_path.name}"]
    events.clear()
    with atomic(tmp_path / "m.bin", durable=False) as scratch:
        scratch.write_bytes(b"whole")
    assert events == ["move m.bin to m.bin"]


def test_so_is_all_of_a_folder(tmp_path: Path, events: list[str]) -> None:
    with atomic(tmp_path / "model") as scratch:
        (scratch / "inner").mkdir(parents=True)
        (scratch / "inner" / "weights").write_bytes(b"1")
        (scratch / "graph").write_bytes(b"2")
        (scratch / "link").symlink_to("nowhere")
    *synced, moved, last = events
    assert sorted(synced) == ["sync graph", "sync inner", "sync model", "sync weights"]
    assert (moved, last) == ("move model to model", f"sync {tmp_path.name}")


@pytest.mark.parametrize(("code", "fails"), [(errno.EINVAL, False), (errno.EIO, True), (errno.ENOSPC, True)])
def test_a_disk_that_cannot_hold_it_is_an_error_and_one_that_cannot_say_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, *, fails: bool
) -> None:
    (tmp_path / "m.bin").write_bytes(b"old")

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)

    def write() -> None:
        with atomic(tmp_path / "m.bin") as scratch:
            scratch.write_bytes(b"new")

    if fails:
        with pytest.raises(OutputError, match=f"cannot write .*m.bin: {os.strerror(code)}"):
            write()
    else:
        write()
    assert (tmp_path / "m.bin").read_bytes() == (b"old" if fails else b"new")
    assert names(tmp_path) == ["m.bin"]


def test_a_folder_survives_a_failed_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    with atomic(target) as scratch:
        scratch.mkdir()
        (scratch / "saved_model.pb").write_text("old")
    honest = Path.rename

    def fail(self: Path, to: Path) -> Path:
        if to == target and self.name == "model":
            raise KeyboardInterrupt
        return honest(self, to)

    monkeypatch.setattr(Path, "rename", fail)

    def replace() -> None:
        with atomic(target) as scratch:
            scratch.mkdir()
            (scratch / "saved_model.pb").write_text("new")

    with pytest.raises(KeyboardInterrupt):
        replace()
    assert (target / "saved_model.pb").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_require_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_writable(tmp_path / "not" / "there" / "yet")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="a file stands where a folder should be"):
        require_writable(tmp_path / "file" / "folder")
    monkeypatch.setattr("os.access", lambda *_: False)  # root can write everywhere
    with pytest.raises(OutputError, match="Permission denied"):
        require_writable(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from zoo.files.writing import atomic
with atomic(Path(sys.argv[1])) as scratch:
    scratch.write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_the_next_write_removes_the_folders_of_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alive:
        assert alive.stdout
        assert alive.stdout.readline() == b"writing\n"
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
            assert victim.stdout
            victim.stdout.readline()
            victim.kill()
        (tmp_path / ".file.bin.settings").mkdir()  # a folder of another user
        assert len(names(tmp_path)) == 3
        with atomic(path) as scratch:
            scratch.write_bytes(b"whole")
        # The folder of the process that still writes is not removed.
        assert len([name for name in names(tmp_path) if name.endswith(".part")]) == 1
        alive.communicate()
        assert alive.returncode == 0
    assert path.read_bytes() == b"half"
    assert names(tmp_path) == [".file.bin.settings", "file.bin"]


def test_a_kill_between_the_renames_of_a_folder_loses_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path / "model", "old")
    kill_between_renames(tmp_path / "model")
    (left,) = tmp_path.iterdir()
    assert names(left) == [".owner", "model", "previous"]
    begin_a_write(tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").read_text() == "old"
    assert names(tmp_path) == ["model"]


KILLED_BETWEEN_RENAMES = """
import os, signal, sys
from pathlib import Path
from zoo.files import writing
rename = Path.rename
def kill(self, to):
    if to == Path(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, to)
Path.rename = kill
with writing.atomic(Path(sys.argv[1])) as scratch:
    scratch.mkdir()
    (scratch / "saved_model.pb").write_text("new")
"""


def kill_between_renames(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_RENAMES, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()


def begin_a_write(path: Path) -> None:
    """Makes a write, which removes old scratch folders first and then fails."""

    def fail() -> None:
        with atomic(path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()


def test_a_write_leaves_what_a_killed_write_to_a_longer_name_has_left(tmp_path: Path) -> None:
    """The older folder comes back under its own name, not under that of another write beside it."""
    write_folder(tmp_path / "model.v2", "old")
    kill_between_renames(tmp_path / "model.v2")
    begin_a_write(tmp_path / "model")
    (left,) = tmp_path.iterdir()
    assert names(left) == [".owner", "model.v2", "previous"]
    begin_a_write(tmp_path / "model.v2")
    assert names(tmp_path) == ["model.v2"]
    assert (tmp_path / "model.v2" / "saved_model.pb").read_text() == "old"


@pytest.mark.parametrize("begun", ["", "(p / '.owner').touch(); "])
def test_a_scratch_folder_without_a_mark_is_removed_when_it_is_empty(begun: str, tmp_path: Path) -> None:
    """A write can be killed before it has marked its folder, or after it has removed the mark at its end."""
    program = "import os, sys; from pathlib import Path; from zoo.files import writing\n"
    program += f"def kill(p): {begun}os.kill(os.getpid(), 9)\n"
    program += "writing._mark = kill\nwith writing.atomic(Path(sys.argv[1])): pass"
    for name in ("one", "other"):
        done = subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=False)
        assert done.returncode == -signal.SIGKILL
    kept = next(tmp_path.glob(".other.*"))
    (kept / "thesis.txt").write_text("of somebody")
    writing.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]


def test_a_write_whose_empty_folder_another_one_removes_takes_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, removed = writing._mark, list[Path]()

    def remove_first(scratch: Path) -> None:
        if not removed:
            removed.append(scratch)
            scratch.rmdir()
        mark(scratch)

    monkeypatch.setattr(writing, "_mark", remove_first)
    with atomic(tmp_path / "file.bin") as scratch:
        scratch.write_bytes(b"whole")
    assert names(tmp_path) == ["file.bin"]
    assert removed != [scratch.parent]


def test_a_sweep_of_a_folder_removes_what_all_killed_writes_have_left(tmp_path: Path) -> None:
    for name in ("model", "other"):
        write_folder(tmp_path / name, "old")
        kill_between_renames(tmp_path / name)
    (tmp_path / ".notes.part").mkdir()
    writing.sweep(tmp_path)
    assert names(tmp_path) == [".notes.part", "model", "other"]
    assert (tmp_path / "other" / "saved_model.pb").read_text() == "old"


@pytest.fixture
def scratch_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test for temporary files, also of processes that it starts."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def test_a_temporary_folder_is_empty_and_goes_with_the_block(scratch_place: Path) -> None:
    with temporary() as first, temporary() as second:
        assert first.is_relative_to(scratch_place)
        assert names(first) == names(second) == []
        (first / "file").touch()
        assert names(second) == []
    with pytest.raises(FileExistsError), temporary() as folder:
        folder.mkdir()
    assert names(scratch_place) == []


def test_a_full_disk_of_temporary_files_is_named(scratch_place: Path, tmp_path: Path) -> None:
    said = f"cannot write temporary files to {scratch_place}: File too .*; make room"
    with pytest.raises(OutputError, match=said), full_disk(100), temporary() as folder:
        (folder / "file").write_bytes(bytes(1000))
    assert names(scratch_place) == []
    said = r"no place for temporary files \(File too large\); name one in TMPDIR"
    with pytest.raises(OutputError, match=said), full_disk():
        temporary().__enter__()
    assert names(scratch_place) == []
    with pytest.raises(FileNotFoundError), temporary():
        (tmp_path / "none").read_bytes()


def test_a_machine_without_a_place_for_temporary_files_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(OutputError, match=r"no place for temporary files \(No usable .*\); name one in TMPDIR"):
        temporary().__enter__()


KILLED_IN_BETWEEN = """
import os, signal
from zoo.files.writing import temporary
with temporary() as folder:
    (folder / "half").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_one(scratch_place: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_IN_BETWEEN], check=False)
    assert [path.name for path in scratch_place.rglob("half")] == ["half"]
    (scratch_place / ".edgezoo.of-another-program.part").mkdir()
    (scratch_place / ".edgezoo.of-another-program.part" / "file").touch()
    with temporary() as used, temporary():
        assert used.is_dir()
        assert not list(scratch_place.rglob("half"))
    assert names(scratch_place) == [".edgezoo.of-another-program.part"]


def copied(tmp_path: Path) -> Path:
    """Makes what an archive of a killed write contains: the same names, texts and owner, but other inodes."""
    write_folder(tmp_path / "away" / "model", "planted")
    kill_between_renames(tmp_path / "away" / "model")
    (left,) = (tmp_path / "away").iterdir()
    shutil.copytree(left, tmp_path / "here" / left.name)
    return tmp_path / "here" / left.name


def test_scratch_folders_from_an_archive_are_left_alone(tmp_path: Path) -> None:
    planted = copied(tmp_path)
    begin_a_write(planted.parent / "model")
    assert names(planted.parent) == [planted.name]
    assert names(planted) == [".owner", "model", "previous"]


def test_another_folder_in_the_place_of_the_previous_one_is_not_put_back(tmp_path: Path) -> None:
    write_folder(tmp_path / "model", "old")
    kill_between_renames(tmp_path / "model")
    (left,) = tmp_path.iterdir()
    (left / "previous").rename(left / "elsewhere")
    (left / "previous").symlink_to("elsewhere")
    begin_a_write(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_scratch_folders_of_another_user_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "model", "old")
    kill_between_renames(tmp_path / "model")
    (left,) = tmp_path.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr("os.geteuid", lambda: 12345)
        begin_a_write(tmp_path / "model")
    assert names(left) == [".owner", "model", "previous"]
    for odd in ("link", "pipe"):
        (left / ".owner").unlink()
        if odd == "link":
            (left / ".owner").symlink_to("/etc/passwd")
        else:
            os.mkfifo(left / ".owner")
        begin_a_write(tmp_path / "model")
        assert names(left) == [".owner", "model", "previous"]


def test_a_mark_of_another_user_in_a_folder_of_ours_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "model", "old")
    kill_between_renames(tmp_path / "model")
    (left,) = tmp_path.iterdir()
    users = [os.geteuid()]
    monkeypatch.setattr("os.geteuid", lambda: users.pop() if users else 12345)
    begin_a_write(tmp_path / "model")
    assert names(left) == [".owner", "model", "previous"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    with pytest.raises(OutputError, match="model is a file, and a folder is to be written; move it away"):
        write_folder(tmp_path / "model", "new")
    assert (tmp_path / "model").read_text() == "mine"
